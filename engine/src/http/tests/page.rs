//! The page as files: what it weighs, what it may load, and that it is what it says.

use std::collections::BTreeSet;

use super::super::page::{BYTES, FILES};
use super::*;

#[tokio::test]
async fn every_file_that_is_named_is_there_and_all_weigh_little() {
    let (server, _) = start(&settings(), Fake::default());
    let html = get(&server, "/").await.text().await.unwrap();
    let mut named: BTreeSet<String> = BTreeSet::new();
    named.extend(html.split('"').filter_map(|part| part.strip_prefix("./page/")).map(str::to_owned));
    let mut weight = html.len();
    for (name, kind, content) in FILES {
        let answer = get(&server, &format!("/page/{name}")).await;
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()),
            (200, *kind),
            "{name}"
        );
        assert_eq!(answer.text().await.unwrap(), *content, "{name}");
        let imported = content.split(" from \"./").skip(1).filter_map(|rest| rest.split('"').next());
        named.extend(imported.map(str::to_owned));
        weight += content.len();
    }
    let known: BTreeSet<String> = FILES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let licence: BTreeSet<String> = known.difference(&named).cloned().collect();
    assert!(named.is_subset(&known), "{named:?}");
    assert_eq!(licence, BTreeSet::from(["uPlot.LICENSE.txt".to_owned()]), "nothing is sent that nobody loads");
    assert!(weight <= BYTES, "{weight} bytes");
    for absent in ["/page/none.js", "/page/..%2fpage.rs", "/page/%ff", "/page/"] {
        assert_eq!(get(&server, absent).await.status(), 404, "{absent}");
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere_and_has_no_script_in_its_markup() {
    let (server, _) = start(&settings(), Fake::default());
    for (path, root) in
        [("/", "./"), ("/watched", "./"), ("/status", "./"), ("/insights/x", "../"), ("/watched/x", "../")]
    {
        let answer = get(&server, path).await;
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        for part in ["default-src 'none'", "script-src 'self'", "style-src 'self'", "trusted-types 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        let html = answer.text().await.unwrap();
        assert!(html.contains(&format!("src=\"{root}page/main.js\"")) && !html.contains("{{"), "{path}: {html}");
        for wrong in ["<style", " style=", " onclick", "http:", "https:", "<script>"] {
            assert!(!html.contains(wrong), "{wrong}");
        }
    }
    // Markup is never made of text; the vendored library does not either.
    for (name, _, content) in FILES {
        for wrong in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
            assert!(!content.contains(wrong), "{name} has {wrong}");
        }
    }
}
