//! How it looks: every page in light and dark, wide and narrow, held against the accessibility rules of axe, with
//! nothing wider than the window. What it looked like is kept as pictures.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::browser::{Page, Scheme};
use super::{axe, chromium, demo, has_end};
use crate::deployed::target;
use crate::scale::report;
use crate::service::Service;

/// Wide as on a desk, narrow as in a hand.
const SIZES: [(u32, u32); 2] = [(1280, 860), (400, 800)];

/// A page, what it has once it is there, and what it is called.
struct Sight {
    name: &'static str,
    path: String,
    there: &'static str,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_accessible_in_light_and_dark_wide_and_narrow() {
    let (Some(chromium), Some(axe)) = (chromium(), axe()) else { return };
    let folder = TempDir::new().expect("a folder");
    let service = demo(&folder).await;
    let sights = sights(&service).await;
    let mut page = Page::open(&chromium);
    let mut rules = 0;
    for Sight { name, path, there } in &sights {
        page.dress(Scheme::Light, SIZES[0].0, SIZES[0].1);
        page.go(&format!("{}{path}", service.url));
        page.wait(there);
        page.eval(&axe);
        for scheme in [Scheme::Light, Scheme::Dark] {
            for (width, height) in SIZES {
                page.dress(scheme, width, height);
                // Two frames: one to lay it out, one for what is drawn anew at another size.
                page.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
                let what = format!("{name}, {}, {width} wide", scheme.as_str());
                assert_eq!(page.eval("document.documentElement.scrollWidth <= innerWidth"), true, "{what} overflows");
                rules += accessible(&mut page, &what);
                keep(&mut page, &format!("{name}-{}-{width}", scheme.as_str()));
            }
        }
    }
    let seen = sights.len() * 2 * SIZES.len();
    report(&format!("page: {seen} sights (light and dark, wide and narrow) pass axe, {rules} rules in all"));
    assert!(rules > 20 * seen as u64, "axe did look: {rules}");
    assert_eq!(page.requests_elsewhere(&service.url), Vec::<&String>::new());
    service.stop();
}

/// Fails where axe, which the page has, finds a rule broken; how many rules were kept.
pub(super) fn accessible(page: &mut Page, what: &str) -> u64 {
    let found = page.eval(AXE);
    assert_eq!(found["violations"], serde_json::json!([]), "{what}");
    found["passes"].as_u64().unwrap_or_default()
}

const AXE: &str = "axe.run().then((found) => ({ passes: found.passes.length, violations: found.violations.map((one) => \
    `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 200)).join(' | ')}`) }))";

async fn sights(service: &Service) -> Vec<Sight> {
    let list = service.json("/api/v1/insights?sensitivity=low&state=ended&limit=100").await.expect("insights");
    let one = list["insights"].as_array().into_iter().flatten().filter(|one| has_end(one));
    let rate =
        |one: &&Value| one["end"]["insightDetails"]["insightContext"]["statistics"]["insight"]["average"].as_f64();
    let largest = one.max_by(|a, b| rate(a).partial_cmp(&rate(b)).expect("numbers")).expect("an ended insight");
    let id = largest["sharedEventID"].as_str().expect("an id");
    let most = service.until("/api/v1/series?sort=calls&limit=1", "a series", |page| page["series"].is_array()).await;
    let series = most["series"][0]["id"].as_str().expect("an id");
    let sight = |name, path: String, there| Sight { name, path, there };
    vec![
        sight("insights", "/".into(), "document.querySelectorAll('.row').length > 0"),
        sight("insight", format!("/insights/{id}"), "document.querySelector('.plot canvas')"),
        sight("watched", "/watched".into(), "document.querySelectorAll('.sparkline').length > 10"),
        sight("series", format!("/watched/{series}"), "document.querySelector('.plot canvas')"),
        sight("status", "/status".into(), "document.querySelectorAll('.tiles > div').length > 4"),
        sight(
            "absent",
            "/insights/00000000-0000-0000-0000-000000000000".into(),
            "document.querySelector('.state.empty')",
        ),
        sight("empty", "/?name=Nothing".into(), "document.querySelector('.state.empty')"),
        sight("error", "/?sensitivity=loud".into(), "document.querySelector('.state.error')"),
    ]
}

/// Beside the build, or where `tests/pictures` wants the README's.
pub(super) fn keep(page: &mut Page, name: &str) {
    let wanted = env::var_os("TRAILSIGHT_PICTURES").map(PathBuf::from);
    let folder = wanted.unwrap_or_else(|| target().join("tests/pictures"));
    fs::create_dir_all(&folder).expect("the folder can be made");
    let picture = page.picture(false);
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 8_000, "{name}: {} bytes", picture.len());
    fs::write(Path::new(&folder).join(format!("{name}.png")), picture).expect("written");
}
