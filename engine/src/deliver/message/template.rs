//! Bodies by a template of the operator's, in the language of Jinja.
//!
//! A template sees the insight and what a chat message would say, and nothing else: there is no loader, so `include`
//! and `import` find nothing, and no function reads a file, a variable or a clock. In a template of JSON every `{{ … }}`
//! is written as a value of JSON with its quotes, so that a name can end no string; the result has to be JSON.

use std::io::{self, Write};
use std::sync::Arc;

use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Value, json};
use trailsight_schemas::insight::InsightFormat;

use super::Message;

/// Largest template, bytes.
pub const MAX_TEMPLATE: usize = 64 * 1024;
/// Largest body, bytes; one that would be larger is refused for good.
pub const MAX_BODY: usize = 1024 * 1024;
/// Instructions that one body may take: a loop over all members takes some thousands.
pub const FUEL: u64 = 200_000;

const NAME: &str = "body";
const JSON: &str = "application/json";

/// Why a template cannot be used, or made no body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It is larger than [`MAX_TEMPLATE`].
    #[error("the template has more than {MAX_TEMPLATE} bytes")]
    Long,
    /// It is no template, asks for what is not there, or goes on for too long.
    #[error("the template: {0}")]
    Wrong(String),
    /// What it makes is larger than [`MAX_BODY`].
    #[error("the template makes more than {MAX_BODY} bytes")]
    Large,
    /// What it makes is not what it is called.
    #[error("the template makes no JSON: {0}")]
    NotJson(String),
}

/// A template that compiles.
#[derive(Clone)]
pub struct Template {
    environment: Arc<Environment<'static>>,
    content_type: String,
}

impl Template {
    /// Compiles `text`, whose bodies are of `content_type`.
    pub fn new(text: &str, content_type: &str) -> Result<Template, TemplateError> {
        if text.len() > MAX_TEMPLATE {
            return Err(TemplateError::Long);
        }
        let json = content_type == JSON;
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(move |_| if json { AutoEscape::Json } else { AutoEscape::None });
        environment.add_template_owned(NAME, text.to_owned()).map_err(|error| wrong(&error))?;
        Ok(Template { environment: Arc::new(environment), content_type: content_type.to_owned() })
    }

    /// The body for a message, and its `Content-Type`.
    pub fn body(&self, message: &Message) -> Result<(Vec<u8>, String), TemplateError> {
        let template = self.environment.get_template(NAME).map_err(|error| wrong(&error))?;
        let mut body = Bounded { bytes: Vec::new(), full: false };
        let made = template.render_captured_to(minijinja::value::Serde(seen(message)), &mut body);
        if body.full {
            return Err(TemplateError::Large);
        }
        drop(made.map_err(|error| wrong(&error))?);
        if self.content_type == JSON {
            let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(&body.bytes);
            parsed.map_err(|error| TemplateError::NotJson(error.to_string()))?;
        }
        Ok((body.bytes, self.content_type.clone()))
    }
}

/// What a template sees.
fn seen(message: &Message) -> Value {
    let insight = message.event.to_json(InsightFormat::Full);
    let facts =
        message.facts.iter().map(|fact| json!({ "label": fact.label, "text": fact.text, "command": fact.command }));
    json!({
        "headline": message.headline,
        "facts": facts.collect::<Value>(),
        "url": message.url,
        "account": message.account,
        "state": message.event.details.state.as_str(),
        "incident": message.event.shared_event_id.to_string(),
        "insight": serde_json::from_str::<Value>(&insight).unwrap_or_default(),
    })
}

fn wrong(error: &minijinja::Error) -> TemplateError {
    let line = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    TemplateError::Wrong(format!("{line}{}{detail}", error.kind()))
}

/// Takes up to [`MAX_BODY`].
struct Bounded {
    bytes: Vec<u8>,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_BODY {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Template({})", self.content_type)
    }
}
