//! What people do with it.

use serde_json::json;
use tempfile::TempDir;

use super::browser::{Page, Scheme};
use super::{chromium, demo, fed};
use crate::records::{DAY_0, Made};

/// From a simulated attack to its picture, with no mouse: filters, list, picture, zoom, the link to share, and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_an_attack_to_its_picture_with_the_keyboard_alone() {
    let Some(chromium) = chromium() else { return };
    let folder = TempDir::new().expect("a folder");
    let service = demo(&folder).await;
    let mut page = Page::open(&chromium);
    page.dress(Scheme::Light, 1280, 900);
    page.go(&format!("{}/", service.url));
    page.wait("document.querySelectorAll('.row').length > 0 && document.getElementById('connection').dataset.state === 'live'");

    page.press("Tab");
    assert_eq!(page.text("document.activeElement.textContent"), "Skip to the content");
    page.press("Enter");
    page.press("/");
    assert_eq!(page.text("document.activeElement.name"), "name", "a slash leads to the filter by name");
    page.press("Escape");
    // Each of the two fields for a time has a stop for year, month, day and so on.
    page.tab_to("at.matches('.row-name')", 40);
    let name = page.text("document.activeElement.querySelector('bdi').textContent");
    page.press("Enter");
    page.wait("location.pathname.startsWith('/insights/') && document.querySelector('.plot canvas')");
    page.wait(&format!("document.querySelector('h1').textContent.includes({})", json!(name)));
    assert_eq!(page.text("document.activeElement.tagName"), "H1", "reading goes on at the heading");

    assert_eq!(page.eval(DRAWN), true, "the picture shows calls, what is expected, and the levels");
    let axes = page.text("document.querySelector('.plot').getAttribute('aria-label')");
    assert!(axes.contains("a minute from 20") && axes.contains("was expected"), "{axes}");
    page.tab_to("at.matches('.plot')", 30);
    let whole = page.text(RANGE);
    page.press("+");
    let near = page.text(RANGE);
    page.press("ArrowRight");
    let later = page.text(RANGE);
    assert!(width(&near) < width(&whole) && later != near && width(&later) == width(&near), "{whole}; {near}; {later}");
    page.press("0");
    assert_eq!(page.text(RANGE), whole);

    page.tab_to("at.textContent === 'The figures as a table'", 10);
    page.press("Enter");
    page.wait("document.querySelectorAll('.figures tbody tr').length >= 60");
    let head = page.text("document.querySelector('.figures thead').innerText");
    for column in ["Time, UTC", "Observed", "Expected", "High from", "Medium from", "Low from"] {
        assert!(head.contains(column), "{head}");
    }
    let shown = page.text("document.querySelector('main').innerText");
    for part in ["Who is new", "Users", "User agents", "Deliveries", "Raw record", "What was told, and when"] {
        assert!(shown.contains(part), "{part} is not on the page:\n{shown}");
    }
    copied(&mut page);
    page.eval("document.querySelector('nav [data-nav=status]').click()");
    page.wait("location.pathname === '/status' && document.querySelectorAll('.tiles > div').length > 4");
    page.eval("history.go(-2)");
    page.wait("location.pathname === '/' && document.querySelectorAll('.row').length > 0");
    assert_eq!(page.requests_elsewhere(&service.url), Vec::<&String>::new());
    assert_eq!(page.errors, Vec::<String>::new());
    service.stop();
}

/// The link that is shared and the raw record, from the clipboard.
fn copied(page: &mut Page) {
    let grant = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    page.call("Browser.grantPermissions", grant);
    page.tab_to("at.textContent === 'Copy record'", 60);
    page.press("Enter");
    page.wait("document.activeElement.textContent === 'Copied'");
    let text = page.text("navigator.clipboard.readText()");
    let records: serde_json::Value = serde_json::from_str(&text).expect("the record is JSON");
    let first = records.get(0).unwrap_or(&records);
    assert_eq!(first["eventType"], "AwsCloudTrailInsight");
    page.eval("[...document.querySelectorAll('button')].find((one) => one.textContent === 'Copy link').focus()");
    page.press("Enter");
    page.wait("document.activeElement.textContent === 'Copied'");
    assert_eq!(page.eval("navigator.clipboard.readText()"), page.eval("location.href"));
}

/// Pixels in three colours at least, beside the ground and the axes.
const DRAWN: &str = "(() => { const canvas = document.querySelector('.plot canvas'); \
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height); const seen = new Map(); \
    for (let nth = 0; nth < data.length; nth += 4) { if (data[nth + 3] < 80) continue; \
    const colour = `${data[nth] >> 4},${data[nth + 1] >> 4},${data[nth + 2] >> 4}`; seen.set(colour, (seen.get(colour) ?? 0) + 1); } \
    return [...seen.values()].filter((many) => many > 40).length >= 5; })()";

/// From when to when the picture goes, in seconds.
const RANGE: &str = "document.querySelector('.plot').dataset.range";

fn width(range: &str) -> i64 {
    let mut ends = range.split(' ').map(|end| end.parse::<f64>().expect("a number") as i64);
    let (from, to) = (ends.next().expect("a begin"), ends.next().expect("an end"));
    to - from
}

/// An address says which insights are shown; the form says the same; what is typed goes into the address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_go_into_the_address_and_come_back() {
    let Some(chromium) = chromium() else { return };
    let folder = TempDir::new().expect("a folder");
    let mut made: Vec<Made> =
        (0..2880).map(|minute| Made::write(DAY_0 + minute, "ec2", "CreateTags", "ci", 1)).collect();
    for (minute, name) in [(1700, "CreateAccessKey"), (2000, "CreateLoginProfile")] {
        made.extend((0..400).map(|number| Made::write(DAY_0 + minute, "iam", name, "mallory", number)));
    }
    let service = fed(&folder, &made).await;
    let mut page = Page::open(&chromium);
    page.dress(Scheme::Light, 1280, 900);
    let every = "account=111122223333&region=eu-west-1&source=iam.amazonaws.com&name=CreateAccessKey\
                 &since=2024-03-05T00%3A00%3A00Z&until=2024-03-06T00%3A00%3A00Z&sensitivity=high&state=ended&type=ApiCallRateInsight";
    page.go(&format!("{}/?{every}&unknown=1", service.url));
    page.wait("document.querySelectorAll('.row').length === 1");
    assert_eq!(page.text("document.querySelector('summary').textContent"), "Filters (9)");
    let shown = page.eval("Object.fromEntries(new FormData(document.querySelector('form.filters')))");
    let expected = json!({
        "account": "111122223333", "region": "eu-west-1", "source": "iam.amazonaws.com", "name": "CreateAccessKey",
        "since": "2024-03-05T00:00", "until": "2024-03-06T00:00", "sensitivity": "high", "state": "ended",
        "type": "ApiCallRateInsight",
    });
    assert_eq!(shown, expected);

    page.eval("document.querySelector('#filter-name').select()");
    page.eval("document.querySelector('#filter-name').focus()");
    page.type_text("CreateLoginProfile");
    page.wait("document.querySelector('.row-name')?.textContent === 'CreateLoginProfile'");
    let address = page.text("location.search");
    assert_eq!(address, format!("?{}", every.replace("CreateAccessKey", "CreateLoginProfile")), "in the same order");
    page.go(&format!("{}/{address}", service.url));
    page.wait("document.querySelector('.row-name')?.textContent === 'CreateLoginProfile'");

    page.eval("document.querySelector('#filter-name').select()");
    page.type_text("Nothing");
    page.wait("document.querySelector('.state.empty')?.innerText.includes('No insight matches')");
    page.eval("document.querySelector('button[type=reset]').click()");
    page.wait("location.search === '' && document.querySelectorAll('.row').length >= 2");
    page.go(&format!("{}/?sensitivity=loud", service.url));
    page.wait("document.querySelector('[role=alert]')?.innerText.includes('low, medium or high')");
    service.stop();
}
