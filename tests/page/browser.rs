//! A Chromium and one page in it, over the DevTools protocol on a pair of pipes: JSON with a NUL behind each message.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// No answer and no condition is waited for longer.
const LIMIT: Duration = Duration::from_secs(60);

/// The shell gives the pipes the numbers on which Chromium speaks: 3 to hear, 4 to tell.
const PIPES: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null";

/// What keeps Chromium from asking anybody else anything, and lets it run as root in a container.
const FLAGS: [&str; 12] = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-extensions",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// Light or dark, as the reader's system says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Scheme {
    /// As CSS calls it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        }
    }
}

/// One page in a Chromium of its own, which dies with it.
#[derive(Debug)]
pub(crate) struct Page {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    calls: u64,
    /// Addresses that were asked for.
    pub(crate) requests: Vec<String>,
    /// Exceptions, refusals of the content policy and other errors that the console would show.
    pub(crate) errors: Vec<String>,
    _profile: TempDir,
}

impl Page {
    /// A Chromium with an empty page.
    pub(crate) fn open(chromium: &Path) -> Page {
        let profile = TempDir::new().expect("a folder");
        let mut command = Command::new("sh");
        command.args(["-c", PIPES]).arg(chromium).args(FLAGS);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("sh is there");
        let input = child.stdin.take().expect("piped");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, messages) = mpsc::channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                let parsed = serde_json::from_slice::<Value>(&message);
                message.clear();
                if parsed.is_ok_and(|parsed| sender.send(parsed).is_err()) {
                    return;
                }
            }
        });
        let (requests, errors) = (Vec::new(), Vec::new());
        let mut page = Page { child, input, messages, session: None, calls: 0, requests, errors, _profile: profile };
        let target = page.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        page.session = page.call("Target.attachToTarget", attach)["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        page
    }

    /// How wide the page is and how its reader likes it.
    pub(crate) fn dress(&mut self, scheme: Scheme, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme.as_str() },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Goes to an address and waits until the page has run.
    pub(crate) fn go(&mut self, url: &str) {
        let gone = self.call("Page.navigate", json!({ "url": url }));
        assert!(gone.get("errorText").is_none(), "{url}: {gone}");
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// What was asked of anybody but the service. `data:` is no request: Chromium draws its own controls with it.
    pub(crate) fn requests_elsewhere(&self, service: &str) -> Vec<&String> {
        let here = |url: &String| url.starts_with(&format!("{service}/")) || url.starts_with("data:");
        self.requests.iter().filter(|url| !here(url)).collect()
    }

    /// What an expression is; a promise is waited for.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let ask = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let answer = self.call("Runtime.evaluate", ask);
        let shown: String = expression.chars().take(300).collect();
        assert!(answer.get("exceptionDetails").is_none(), "{shown}: {:#}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// The same as text.
    pub(crate) fn text(&mut self, expression: &str) -> String {
        self.eval(expression).as_str().map(str::to_owned).unwrap_or_default()
    }

    /// Waits until an expression is true, and is what it is then. The page itself looks again and again.
    pub(crate) fn wait(&mut self, condition: &str) -> Value {
        let limit = LIMIT.as_millis() / 2;
        let found = self.eval(&format!(
            "new Promise((done) => {{ const end = Date.now() + {limit}; const look = () => {{ let found; \
             try {{ found = ({condition}); }} catch {{ found = false; }} \
             if (found || Date.now() > end) done(found || null); else setTimeout(look, 40); }}; look(); }})"
        ));
        if found.is_null() {
            let shown = self.text("document.body.innerText");
            panic!("never came true: {condition}\nerrors: {:?}\nthe page:\n{shown}", self.errors);
        }
        found
    }

    /// Presses one key: its name as JavaScript knows it.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, number, text) = match key {
            "Tab" => (key, 9, ""),
            "Enter" => (key, 13, "\r"),
            "Escape" => (key, 27, ""),
            "ArrowLeft" => (key, 37, ""),
            "ArrowRight" => (key, 39, ""),
            "ArrowDown" => (key, 40, ""),
            other => ("", i64::from(other.chars().next().map_or(0, u32::from)), other),
        };
        let mut event = json!({ "type": "keyDown", "key": key, "code": code, "windowsVirtualKeyCode": number });
        if !text.is_empty() {
            event["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", event.clone());
        event["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", event);
    }

    /// Types into what has the focus.
    pub(crate) fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Tab until what has the focus fulfils a condition on `at`; nobody presses a key more often than `most` times.
    pub(crate) fn tab_to(&mut self, condition: &str, most: usize) {
        for _ in 0..most {
            self.press("Tab");
            if self.eval(&format!("((at) => Boolean({condition}))(document.activeElement)")) == true {
                return;
            }
        }
        panic!("{most} times Tab and never {condition}; now at {}", self.text("document.activeElement.outerHTML"));
    }

    /// A picture of what is seen, as PNG; of the whole page where it is asked for.
    pub(crate) fn picture(&mut self, whole: bool) -> Vec<u8> {
        let ask = json!({ "format": "png", "captureBeyondViewport": whole });
        let picture = self.call("Page.captureScreenshot", ask);
        STANDARD.decode(picture["data"].as_str().expect("a picture")).expect("base64")
    }

    /// One call of the protocol.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.write_all(&bytes).expect("chromium hears");
        loop {
            let message = self.messages.recv_timeout(LIMIT);
            let message = message.unwrap_or_else(|error| panic!("{method}: {error}; errors: {:?}", self.errors));
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.told(&message);
        }
    }

    fn told(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                self.requests.extend(params["request"]["url"].as_str().map(str::to_owned));
            }
            Some("Network.webSocketCreated") => self.requests.extend(params["url"].as_str().map(str::to_owned)),
            Some("Runtime.exceptionThrown") => self.errors.push(params["exceptionDetails"].to_string()),
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => {
                self.errors.push(params["entry"].to_string());
            }
            _ => {}
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ended_before = self.child.kill();
        let _ = self.child.wait();
    }
}
