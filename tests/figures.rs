//! Every figure against the slow reference, on real records.

use std::fs;

use trailsight_tests::reference::Calls;

use crate::product;
use crate::scale::{not_run, repository};
use crate::scenario::wrong_figures;

/// 55 files of one account, one hour of an attack exercise in July 2023.
#[test]
fn real_records_are_counted_and_judged_right() {
    let folder = repository().join("../shared/data/invictus");
    if !folder.is_dir() {
        return not_run("the invictus data set", "../shared/data/invictus is absent");
    }
    let mut calls = Calls::default();
    for entry in fs::read_dir(folder.join("CloudTrail")).expect("its files are there") {
        calls.add(&fs::read(entry.expect("a folder entry").path()).expect("a file can be read"));
    }
    assert_eq!((calls.calls.len(), calls.duplicates), (2900, 0), "the data set is another one");

    let mut command =
        product::command(["replay", "--assume-history", "--sensitivity", "high", "--output-format", "ndjson"]);
    command.arg(&folder);
    // Four files beside the records (a licence, a readme, where it came from) are no CloudTrail.
    let finished = product::run(command).expect(3);
    assert_eq!(finished.summary(" not read"), 4);
    assert_eq!(finished.summary("records counted"), 2900);
    let insights = finished.insights();
    let raised = |kind: &str, error: Option<&str>| {
        insights.iter().any(|insight| {
            let details = &insight["insightDetails"];
            details["state"] == "Start"
                && details["eventSource"] == "ssm.amazonaws.com"
                && details["eventName"] == "DeleteParameter"
                && details["insightType"] == kind
                && details["errorCode"].as_str() == error
        })
    };
    assert!(raised("ApiCallRateInsight", None), "no call rate of ssm:DeleteParameter in\n{}", finished.stdout);
    assert!(raised("ApiErrorRateInsight", Some("ThrottlingException")), "no throttling in\n{}", finished.stdout);
    let wrong = wrong_figures(&calls, &insights);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
