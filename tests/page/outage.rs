//! The stream is cut and comes back: the page says so, keeps what it has, and catches up by itself.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;
use trailsight::clock::Clock;

use super::browser::{Page, Scheme};
use super::chromium;
use crate::brokers::free_port;
use crate::records::{Envelope, Made, wrapped};
use crate::service::{Service, setup};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_is_said_and_what_was_missed_appears_by_itself() {
    let Some(chromium) = chromium() else { return };
    let folder = TempDir::new().expect("a folder");
    let inbox = folder.path().join("inbox");
    fs::create_dir(&inbox).expect("the folder can be written");
    let setup = setup(folder.path(), &inbox, &folder.path().join("data"), "");
    let text = fs::read_to_string(&setup.file).expect("it was written");
    let text = text.replace("127.0.0.1:0", &format!("127.0.0.1:{}", free_port()));
    fs::write(&setup.file, text).expect("the folder can be written");
    let feed = |name: &str, records: Vec<Made>| {
        let records: Vec<Value> = records.iter().map(Made::json).collect();
        fs::write(inbox.join(name), wrapped(Envelope::Delivered, &records)).expect("written");
    };
    let mut service = Service::run(&setup);
    let mut page = Page::open(&chromium);
    page.dress(Scheme::Light, 1280, 900);
    page.go(&format!("{}/", service.url));
    page.wait("document.querySelector('.state.empty')?.innerText.includes('Nothing unusual so far')");
    page.wait("document.getElementById('connection').dataset.state === 'live'");

    // A source that is caught up moves with the clock, so this is traffic of today.
    let began = this_minute() - 1470;
    let mut day: Vec<Made> =
        (began..began + 1440).map(|minute| Made::write(minute, "ec2", "CreateTags", "ci", 1)).collect();
    day.extend((0..400).map(|number| Made::write(began + 700, "iam", "CreateAccessKey", "mallory", number)));
    feed("1.json", day);
    page.wait("document.querySelector('.row-name')?.textContent === 'CreateAccessKey'");
    page.wait("document.getElementById('spoken').textContent.includes('CreateAccessKey of iam')");

    service.kill();
    page.wait("document.getElementById('connection').dataset.state === 'stale'");
    let banner = page.text("document.getElementById('banner').innerText");
    assert!(banner.contains("Not connected since") && banner.contains("out of date"), "{banner}");
    let kept = page.text("document.querySelector('main').innerText");
    assert!(kept.contains("CreateAccessKey") && !kept.contains("cannot be shown"), "what there was stays:\n{kept}");

    let minute = this_minute() - 2;
    feed("2.json", (0..400).map(|number| Made::write(minute, "iam", "DeleteTrail", "mallory", number)).collect());
    let service = Service::run(&setup);
    let some = |page: &Value| page["insights"].as_array().is_some_and(|list| !list.is_empty());
    service.until("/api/v1/insights?name=DeleteTrail", "what came meanwhile", some).await;
    page.wait(
        "document.getElementById('connection').dataset.state === 'live' && document.getElementById('banner').hidden",
    );
    page.wait("[...document.querySelectorAll('.row-name')].some((one) => one.textContent === 'DeleteTrail')");
    service.stop();
}

fn this_minute() -> i64 {
    Clock::System.now() / 60_000
}
