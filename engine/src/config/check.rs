//! Holds what was written against the schema, and finds every problem instead of the first.
//!
//! serde stops at the first mistake, so it only ever sees what has passed here. What is wrong is left out of
//! the result, so that the second stage can look for further problems in the rest.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::error::Problem;
use super::later;
use super::secret::REDACTED;
use super::units::{Size, Span};

/// Walks a value beside its schema.
pub(super) struct Checker<'a> {
    /// Keys that the environment gave: their strings may stand for other types.
    pub environment: &'a BTreeMap<String, String>,
    /// What was found.
    pub problems: Vec<Problem>,
}

impl Checker<'_> {
    /// The value without its problems; `None` when nothing of it can be used.
    pub(super) fn check(&mut self, key: &str, value: &Json, schema: &Json) -> Option<Json> {
        let schema = without_null(schema);
        let value = &self.of_environment(key, value, schema);
        match schema["x-kind"].as_str() {
            Some("duration") => {
                self.unit(key, value, schema, "a duration such as \"15m\"", |text| Some(Span::parse(text)?.0))
            }
            Some("size") => {
                self.unit(key, value, schema, "a size such as \"64MiB\"", |text| Some(Size::parse(text)?.0))
            }
            Some("time") => self.time(key, value),
            Some("secret") => self.secret(key, value),
            _ if schema["oneOf"].is_array() => self.one_of(key, value, schema),
            _ => match kind(schema) {
                "object" => self.object(key, value, schema),
                "array" => self.array(key, value, schema),
                "string" => self.string(key, value, schema),
                "boolean" => self.matching(key, value, value.is_boolean(), "true or false"),
                _ => self.number(key, value, schema),
            },
        }
    }

    fn wrong(&mut self, key: &str, value: &Json, problem: &str, allowed: String) -> Option<Json> {
        self.problems.push(Problem::new(key, value, problem, allowed));
        None
    }

    fn matching(&mut self, key: &str, value: &Json, fits: bool, allowed: &str) -> Option<Json> {
        if fits { Some(value.clone()) } else { self.wrong(key, value, "is not of the right type", allowed.into()) }
    }

    /// A variable holds text: what its key wants decides what the text is. A list may be written with commas.
    fn of_environment(&self, key: &str, value: &Json, schema: &Json) -> Json {
        let (Some(text), true) = (value.as_str(), self.environment.contains_key(key)) else { return value.clone() };
        let of_toml = || {
            let table: toml::Table = format!("value = {text}").parse().ok()?;
            serde_json::to_value(table.get("value")?).ok()
        };
        let parsed = match (schema["x-kind"].as_str(), kind(schema)) {
            (Some("secret"), _) if text.starts_with('{') => of_toml().filter(Json::is_object),
            (Some(_), _) | (_, "string") => None,
            (_, "array") if !text.trim_start().starts_with('[') => {
                Some(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Json::from).collect())
            }
            _ => of_toml(),
        };
        parsed.unwrap_or_else(|| value.clone())
    }

    fn object(&mut self, key: &str, value: &Json, schema: &Json) -> Option<Json> {
        let Some(fields) = value.as_object() else {
            return self.wrong(key, value, "is not of the right type", "a table".into());
        };
        let known = schema["properties"].as_object();
        let mut kept = Map::new();
        for (name, field) in fields {
            let path = join(key, name);
            let checked = match known.and_then(|known| known.get(name)) {
                Some(schema) => self.check(&path, field, schema),
                None if schema["additionalProperties"].is_object() => {
                    self.check(&path, field, &schema["additionalProperties"])
                }
                None => self.unknown(&path, name, known),
            };
            kept.extend(checked.map(|checked| (name.clone(), checked)));
        }
        if let Some(most) = schema["maxProperties"].as_u64().filter(|most| fields.len() as u64 > *most) {
            self.problems.push(Problem::new(key, "", "has too many keys", format!("at most {most}")));
        }
        let mut whole = true;
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            if !fields.contains_key(name) {
                self.problems.push(Problem::new(join(key, name), "", "is missing", ""));
            }
            whole &= kept.contains_key(name);
        }
        whole.then_some(Json::Object(kept))
    }

    fn unknown(&mut self, path: &str, name: &str, known: Option<&Map<String, Json>>) -> Option<Json> {
        let names = known.into_iter().flat_map(Map::keys).map(String::as_str);
        let problem = match nearest(name, names) {
            Some(near) => format!("is not a key; the nearest is `{near}`"),
            None => "is not a key".to_owned(),
        };
        // Whatever it holds may be a secret under a misspelt name, so it is not shown.
        self.problems.push(Problem::new(path, "", problem, ""));
        None
    }

    fn array(&mut self, key: &str, value: &Json, schema: &Json) -> Option<Json> {
        let Some(items) = value.as_array() else {
            return self.wrong(key, value, "is not of the right type", "a list".into());
        };
        let (least, most) = (schema["minItems"].as_u64(), schema["maxItems"].as_u64());
        let count = items.len() as u64;
        if least.is_some_and(|least| count < least) || most.is_some_and(|most| count > most) {
            let problem = format!("has {count} elements");
            self.problems.push(Problem::new(key, "", problem, range(least.map(Json::from), most.map(Json::from))));
        }
        let kept = items
            .iter()
            .enumerate()
            .filter_map(|(position, item)| self.check(&format!("{key}[{position}]"), item, &schema["items"]));
        Some(kept.collect())
    }

    fn string(&mut self, key: &str, value: &Json, schema: &Json) -> Option<Json> {
        let Some(text) = value.as_str() else {
            return self.wrong(key, value, "is not of the right type", "a string".into());
        };
        if let Some(names) = schema["enum"].as_array() {
            let names: Vec<&str> = names.iter().filter_map(Json::as_str).collect();
            return self.named(key, text, &names);
        }
        let (least, most) = (schema["minLength"].as_u64(), schema["maxLength"].as_u64());
        let length = text.chars().count() as u64;
        if least.is_some_and(|least| length < least) || most.is_some_and(|most| length > most) {
            let allowed = format!("{} characters", range(least.map(Json::from), most.map(Json::from)));
            return self.wrong(key, value, "is too short or too long", allowed);
        }
        Some(value.clone())
    }

    /// One of a closed list of words.
    fn named(&mut self, key: &str, text: &str, names: &[&str]) -> Option<Json> {
        if names.contains(&text) {
            return Some(text.into());
        }
        let problem = match (later::sentence(key, text), nearest(text, names.iter().copied())) {
            (Some(sentence), _) => sentence,
            (None, Some(near)) => format!("is not known; the nearest is \"{near}\""),
            (None, None) => "is not known".to_owned(),
        };
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        self.wrong(key, &text.into(), &problem, quoted.join(", "))
    }

    fn number(&mut self, key: &str, value: &Json, schema: &Json) -> Option<Json> {
        let whole = kind(schema) == "integer";
        let (least, most) = (schema.get("minimum").cloned(), schema.get("maximum").cloned());
        let allowed = range(least.clone(), most.clone());
        let Some(number) = value.as_f64().filter(|_| !whole || value.is_i64() || value.is_u64()) else {
            let kind = if whole { "a whole number" } else { "a number" };
            return self.wrong(key, value, "is not of the right type", format!("{kind}, {allowed}"));
        };
        let below = least.and_then(|least| least.as_f64()).is_some_and(|least| number < least);
        let above = most.and_then(|most| most.as_f64()).is_some_and(|most| number > most);
        if below || above { self.wrong(key, value, "is out of range", allowed) } else { Some(value.clone()) }
    }

    /// A duration or a size, between `x-min` and `x-max`.
    fn unit(
        &mut self,
        key: &str,
        value: &Json,
        schema: &Json,
        form: &str,
        parse: fn(&str) -> Option<u64>,
    ) -> Option<Json> {
        let (least, most) = (schema["x-min"].as_str(), schema["x-max"].as_str());
        let allowed = format!("{form}, {} to {}", least.unwrap_or("0"), most.unwrap_or("any"));
        let Some(found) = value.as_str().and_then(parse) else {
            return self.wrong(key, value, "is not of the right form", allowed);
        };
        let below = least.and_then(parse).is_some_and(|least| found < least);
        let above = most.and_then(parse).is_some_and(|most| found > most);
        if below || above { self.wrong(key, value, "is out of range", allowed) } else { Some(value.clone()) }
    }

    fn time(&mut self, key: &str, value: &Json) -> Option<Json> {
        let fits = value.as_str().is_some_and(|text| trailsight_schemas::time::parse_rfc3339(text).is_some());
        if fits {
            return Some(value.clone());
        }
        self.wrong(key, value, "is not a time", "RFC 3339, such as \"2027-01-31T00:00:00Z\"".into())
    }

    fn secret(&mut self, key: &str, value: &Json) -> Option<Json> {
        let place = |name: &str| value.get(name).is_some_and(Json::is_string);
        let one = value.as_object().is_some_and(|fields| fields.len() == 1) && (place("env") || place("file"));
        if value.is_string() || one {
            return Some(value.clone());
        }
        let allowed = "{ env = \"NAME\" }, { file = \"PATH\" }";
        self.problems.push(Problem::new(key, REDACTED, "is not a secret", allowed));
        None
    }

    /// A table whose `type` decides its keys, or one of a list of documented words.
    fn one_of(&mut self, key: &str, value: &Json, schema: &Json) -> Option<Json> {
        let variants: Vec<&Json> = schema["oneOf"].as_array().into_iter().flatten().collect();
        let words: Vec<&str> = variants.iter().flat_map(|variant| words(variant)).collect();
        if words.is_empty() {
            return self.tagged(key, value, &variants);
        }
        match value.as_str() {
            Some(text) => self.named(key, text, &words),
            None => self.wrong(key, value, "is not of the right type", words.join(", ")),
        }
    }

    fn tagged(&mut self, key: &str, value: &Json, variants: &[&Json]) -> Option<Json> {
        let tag = |variant: &Json| variant["properties"]["type"]["const"].as_str().map(str::to_owned);
        let tags: Vec<String> = variants.iter().filter_map(|variant| tag(variant)).collect();
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let path = join(key, "type");
        if !value.is_object() {
            return self.wrong(key, value, "is not of the right type", "a table".into());
        }
        let Some(found) = value["type"].as_str() else {
            let problem = if value.get("type").is_some() { "is not of the right type" } else { "is missing" };
            self.problems.push(Problem::new(path, "", problem, tags.join(", ")));
            return None;
        };
        self.named(&path, found, &tags)?;
        let variant = variants.iter().find(|variant| tag(variant).as_deref() == Some(found))?;
        self.object(key, value, variant)
    }
}

/// An optional value is `anyOf` its schema and `null`; TOML has no null.
fn without_null(schema: &Json) -> &Json {
    let variants = schema["anyOf"].as_array().filter(|_| schema["x-kind"].is_null());
    variants.and_then(|variants| variants.iter().find(|variant| variant["type"] != "null")).unwrap_or(schema)
}

/// The type a schema asks for; an optional one is named beside `null`.
fn kind(schema: &Json) -> &str {
    let named = |value: &Json| value.as_str().is_some_and(|name| name != "null");
    let kinds = schema["type"].as_array().and_then(|kinds| kinds.iter().find(|kind| named(kind)));
    if schema["const"].is_string() {
        return "string";
    }
    kinds.unwrap_or(&schema["type"]).as_str().unwrap_or_default()
}

/// The words a schema allows, where it is a list of words.
fn words(schema: &Json) -> Vec<&str> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    listed.chain(schema.get("const")).filter_map(Json::as_str).collect()
}

fn join(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

fn range(least: Option<Json>, most: Option<Json>) -> String {
    match (least, most) {
        (Some(least), Some(most)) => format!("{least} to {most}"),
        (Some(least), None) => format!("{least} or more"),
        (None, Some(most)) => format!("at most {most}"),
        (None, None) => String::new(),
    }
}

/// The known word that is most like `word`, if it is at all like it.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, candidate)| candidate)
}
