//! Names that would like to be markup: on every page they are text, and nothing runs.

use serde_json::json;
use tempfile::TempDir;

use super::attacks::ATTACKS;
use super::browser::{Page, Scheme};
use super::{chromium, fed};
use crate::records::{DAY_0, Made};

/// Elements that only an attack makes: ours have none inside the content.
const MADE: &str = "document.querySelectorAll('main script, main img, main iframe, main object, main style, \
    main [onload], main [onerror], main a[href^=\"javascript\"], main a[href*=\"evil\"]').length";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_names_are_text_on_every_page() {
    let Some(chromium) = chromium() else { return };
    let folder = TempDir::new().expect("a folder");
    let service = fed(&folder, &traffic()).await;
    let incidents = service.incidents().await;
    let names: Vec<&str> =
        incidents.iter().filter_map(|one| one["start"]["insightDetails"]["eventName"].as_str()).collect();
    for attack in ATTACKS {
        assert!(names.contains(&attack), "{attack:?} was not found: {names:?}");
    }
    let mut page = Page::open(&chromium);
    page.dress(Scheme::Light, 1280, 900);
    page.go(&format!("{}/", service.url));
    page.wait(&format!("document.querySelectorAll('.row').length >= {}", ATTACKS.len()));
    harmless(&mut page, "the list");
    let shown = page.text("document.querySelector('main').innerText");
    for attack in ATTACKS {
        assert!(shown.contains(&seen(attack)), "{attack:?} is not shown as it is:\n{shown}");
    }
    for incident in &incidents {
        let id = incident["sharedEventID"].as_str().expect("an id");
        page.eval(&format!("document.querySelector('[data-id=\"{id}\"] a').click()"));
        page.wait("document.querySelector('.plot canvas') && document.querySelector('.against')");
        harmless(&mut page, id);
        let name = incident["start"]["insightDetails"]["eventName"].as_str().expect("a name");
        if ATTACKS.contains(&name) {
            let heading = page.text("document.querySelector('h1').textContent");
            assert!(heading.contains(&seen(name)), "{heading}");
            let agents = page.text("document.querySelector('.evidence').innerText");
            assert!(agents.contains(&seen(name)), "{name:?} as user agent: {agents}");
        }
        page.eval("history.back()");
        page.wait(&format!("document.querySelectorAll('.row').length >= {}", ATTACKS.len()));
    }
    page.go(&format!("{}/watched?sort=name", service.url));
    page.wait(&format!("document.querySelectorAll('.watched tbody tr').length >= {}", ATTACKS.len()));
    harmless(&mut page, "watched");
    searched(&mut page);
    assert_eq!(page.requests_elsewhere(&service.url), Vec::<&String>::new());
    // What is no identifier is refused by the API, which the console says.
    page.errors.retain(|error| !error.contains("status of 400"));
    assert_eq!(page.errors, Vec::<String>::new());
    service.stop();
}

/// A burst of each, with the attack as name of the API, as user agent and as user.
fn traffic() -> Vec<Made> {
    let mut made: Vec<Made> =
        (0..2880).map(|minute| Made::write(DAY_0 + minute, "ec2", "CreateTags", "ci", 1)).collect();
    for (nth, attack) in (0..).zip(ATTACKS) {
        made.extend((0..300).map(|number| {
            let mut one = Made::write(DAY_0 + 1500 + 60 * nth, "iam", attack, attack, number);
            one.call.agent = Some(attack.to_owned());
            one
        }));
    }
    made
}

/// As it is shown: what would change how the text around it reads is shown by its number.
fn seen(attack: &str) -> String {
    attack.replace('\u{202e}', "\\u202e").replace('\u{2066}', "\\u2066")
}

fn harmless(page: &mut Page, what: &str) {
    assert_eq!(page.eval("window.attacked ?? null"), json!(null), "{what}: a script of theirs ran");
    assert_eq!(page.eval(MADE), 0, "{what}: {}", page.text("document.querySelector('main').innerHTML"));
}

/// What is typed and what stands in the address are hostile too.
fn searched(page: &mut Page) {
    for attack in ATTACKS {
        let typed = json!(attack);
        page.eval(&format!(
            "(() => {{ const search = document.querySelector('#search'); search.value = {typed}; \
             search.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
        ));
        page.wait(&format!("new URLSearchParams(location.search).get('search') === {typed}.trim()"));
        page.wait("document.querySelector('.watched, .state.empty, .state.error')");
        harmless(page, attack);
    }
    for attack in ATTACKS {
        let address = format!("'/insights/' + encodeURIComponent({})", json!(attack));
        page.eval(&format!("history.pushState(null, '', {address}); dispatchEvent(new PopStateEvent('popstate'))"));
        page.wait("document.querySelector('.state.error, .state.empty')");
        harmless(page, attack);
    }
}
