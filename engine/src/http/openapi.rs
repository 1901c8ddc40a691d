//! The OpenAPI document: made of the types that are answered and the parameters that are read, so that it says what
//! the server does.

use std::sync::OnceLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};
use trailsight_schemas::insight::{InsightType, Sensitivity};

use super::filter::{LIMIT, OF_MINUTES, OF_SERIES, PARAMETERS, VALUE_LENGTH};
use super::mutes::{MuteList, MuteView, NewMute};
use super::problem::ProblemDocument;
use super::query::{Alive, IncidentView, Page, Readiness, Status};
use super::watched::{SeriesMinutes, SeriesPage};

pub(super) async fn openapi() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_string());
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text.as_str()).into_response()
}

/// The whole document.
pub(super) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut types = settings.with(|settings| settings.definitions_path = "/components/schemas".into()).into_generator();
    let paths = paths(&mut types);
    let mut schemas = types.take_definitions(true);
    schemas.values_mut().for_each(close);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Trailsight",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "basic": { "type": "http", "scheme": "basic", "description": "The token is the password." },
            },
        },
        // Without tokens in the configuration everybody who reaches a loopback address may read.
        "security": [{}, { "bearer": [] }, { "basic": [] }],
    })
}

/// Our objects hold what is said and nothing else; a record is AWS's and may grow.
fn close(schema: &mut Value) {
    if let Some(object) = schema.as_object_mut().filter(|object| object.contains_key("properties")) {
        object.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}

fn paths(types: &mut SchemaGenerator) -> Value {
    let mut paths = Map::new();
    let mut add = |path: &str, operation: Value| drop(paths.insert(path.to_owned(), json!({ "get": operation })));
    let list = |names: &[&str]| names.iter().map(|name| parameter(name)).collect::<Vec<_>>();
    let id = |format: &str, says: &str| {
        json!({ "name": "id", "in": "path", "required": true, "description": says,
                "schema": { "type": "string", "format": format } })
    };
    add("/healthz", probe::<Alive>(types, "Whether the main loop moves."));
    add("/readyz", probe::<Readiness>(types, "Whether records can be taken in; with a token, why not."));
    add("/api/v1/status", answer::<Status>(types, "The state of the whole.", Vec::new(), false));
    add(
        "/api/v1/insights",
        answer::<Page>(types, "Incidents, newest first, Start and End paired.", list(PARAMETERS), false),
    );
    let one = vec![id("uuid", "sharedEventID")];
    add(
        "/api/v1/insights/{id}",
        answer::<IncidentView>(types, "One incident with all that is known of it.", one, true),
    );
    add("/api/v1/series", answer::<SeriesPage>(types, "What is watched.", list(OF_SERIES), false));
    let mut minutes = list(OF_MINUTES);
    minutes.push(id("", "`id` of a series"));
    let says = "One series by the minute: what came, what the baseline of now expects, what would be unusual.";
    add("/api/v1/series/{id}/minutes", answer::<SeriesMinutes>(types, says, minutes, true));
    let events = json!({ "text/event-stream": { "schema": { "type": "string" } } });
    add(
        "/api/v1/stream",
        operation(types, "Insights as they are recorded: events `insight` and `missed`.", Vec::new(), events, false),
    );
    add("/metrics", operation(types, "Prometheus text.", Vec::new(), text("text/plain"), false));
    add("/", operation(types, "The page.", Vec::new(), text("text/html"), false));
    mutes(types, &mut paths);
    Value::Object(paths)
}

/// What is changed: the only bodies there are.
fn mutes(types: &mut SchemaGenerator, paths: &mut Map<String, Value>) {
    let problem = json!({ "application/problem+json": { "schema": types.subschema_for::<ProblemDocument<'_>>() } });
    let with = |mut operation: Value, codes: &[&str]| {
        for code in codes {
            operation["responses"][code] = json!({ "description": "It is refused.", "content": problem.clone() });
        }
        operation
    };
    let list = answer::<MuteList>(types, "What is kept from people.", Vec::new(), false);
    let mut make = answer::<MuteView>(types, "Makes a mute; role operator.", Vec::new(), false);
    make["requestBody"] = json!({ "required": true, "content": json_of(types.subschema_for::<NewMute>()) });
    let made = make["responses"].as_object_mut().and_then(|responses| {
        responses.remove("304");
        responses.remove("200")
    });
    make["responses"]["201"] = made.unwrap_or_default();
    let make = with(make, &["400", "403", "413", "415"]);
    paths.insert("/api/v1/mutes".to_owned(), json!({ "get": list, "post": make }));
    let key = json!({ "name": "key", "in": "path", "required": true, "description": "`key` of a mute made by hand",
                      "schema": { "type": "string" } });
    let mut end = operation(types, "Ends a mute; role operator.", vec![key], json!({}), true);
    if let Some(responses) = end["responses"].as_object_mut() {
        responses.retain(|code, _| !matches!(code.as_str(), "200" | "304" | "400"));
    }
    end["responses"]["204"] = json!({ "description": "It has ended." });
    paths.insert("/api/v1/mutes/{key}".to_owned(), json!({ "delete": with(end, &["403"]) }));
}

fn text(kind: &str) -> Value {
    json!({ kind: { "schema": { "type": "string" } } })
}

fn answer<T: JsonSchema>(types: &mut SchemaGenerator, says: &str, parameters: Vec<Value>, of_one: bool) -> Value {
    let content = json_of(types.subschema_for::<T>());
    operation(types, says, parameters, content, of_one)
}

fn operation(types: &mut SchemaGenerator, says: &str, parameters: Vec<Value>, content: Value, of_one: bool) -> Value {
    let problem = json!({ "application/problem+json": { "schema": types.subschema_for::<ProblemDocument<'_>>() } });
    let mut responses = json!({
        "200": { "description": "The answer.", "content": content },
        "304": { "description": "The reader has it (If-None-Match)." },
    });
    let mut problems =
        vec![("401", "A token is needed."), ("421", "Not known by that name."), ("503", "Not at the moment.")];
    if !parameters.is_empty() {
        problems.push(("400", "What was asked makes no sense."));
    }
    if of_one {
        problems.push(("404", "There is nothing here."));
    }
    for (code, description) in problems {
        responses[code] = json!({ "description": description, "content": problem.clone() });
    }
    json!({ "summary": says, "parameters": parameters, "responses": responses })
}

/// Probes have no token and one form for yes and no.
fn probe<T: JsonSchema>(types: &mut SchemaGenerator, says: &str) -> Value {
    let content = json_of(types.subschema_for::<T>());
    let responses = json!({
        "200": { "description": "Yes.", "content": content.clone() },
        "503": { "description": "No.", "content": content },
    });
    json!({ "summary": says, "responses": responses, "security": [{}] })
}

fn json_of(schema: Schema) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn parameter(name: &str) -> Value {
    let schema = match name {
        "since" | "until" => json!({ "type": "string", "format": "date-time" }),
        "limit" => json!({ "type": "integer", "minimum": 1, "maximum": LIMIT.1, "default": LIMIT.0 }),
        "period" => json!({ "type": "integer", "enum": [60, 300, 3600], "default": 60 }),
        "type" => {
            json!({ "type": "string", "enum": InsightType::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>() })
        }
        "sensitivity" => {
            json!({ "type": "string", "enum": Sensitivity::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>() })
        }
        "recent" => json!({ "type": "integer", "enum": [60, 300, 3600] }),
        "state" => json!({ "type": "string", "enum": ["open", "ended"] }),
        "sort" => json!({ "type": "string", "enum": ["name", "unusual", "calls"], "default": "name" }),
        "cursor" => json!({ "type": "string", "minLength": 1 }),
        _ => json!({ "type": "string", "minLength": 1, "maxLength": VALUE_LENGTH }),
    };
    let says = match name {
        "since" => "at or after this time",
        "until" => "before this time",
        "limit" => "most entries of the answer",
        "cursor" => "`next` of the page before",
        "period" => "seconds together",
        "search" => "stands somewhere in account, Region, source, name or error code",
        "recent" => "with the calls of the 48 newest periods of as many seconds",
        "sort" => "what comes first",
        "sensitivity" => "the loosest level: medium means low and medium",
        _ => "compared whole",
    };
    json!({ "name": name, "in": "query", "description": says, "schema": schema })
}
