use std::io::{Cursor, Write};
use std::sync::Arc;

use trailsight_schemas::entry::Outcomes;

use super::super::Settings;
use super::super::tests::records::{ORIGIN, batch, bytes, read, record, settings, show, with};
use super::*;

fn counts(settings: Settings, table: &[u8]) -> (Tally, Vec<Reject>, io::Result<()>) {
    let mut tally = Tally::new(Arc::new(settings));
    let mut rejects = Vec::new();
    let result =
        tally.read_counts(&mut Cursor::new(table), ORIGIN, &mut |reject| rejects.push(reject), &mut |_, _| Ok(()));
    (tally, rejects, result)
}

const TABLE: &str = "\
calls,minute,account,region,source,name,category,readOnly,errorCode,principal,userAgent
3,2026-03-01T00:00:00Z,111122223333,us-east-1,iam.amazonaws.com,CreateUser,Management,false,,arn:aws:sts::111122223333:assumed-role/Admin/jane,aws-cli/2.15
2,2026-03-01T00:00:00Z,111122223333,us-east-1,iam.amazonaws.com,CreateUser,,,AccessDenied,,
1,2026-03-01T00:00:00Z,111122223333,us-east-1,iam.amazonaws.com,CreateUser,,,AccessDenied,,
0,2026-03-01T00:01:00Z,111122223333,us-east-1,iam.amazonaws.com,CreateUser,,,,,
4,2026-03-01T00:02:00Z,111122223333,us-east-1,kms.amazonaws.com,Decrypt,,,,,
5,2026-03-01T00:02:00Z,111122223333,us-east-1,s3.amazonaws.com,GetObject,Data,true,,,
";

#[test]
fn rows_add_up_and_count_as_records_do() {
    let (tally, rejects, result) = counts(settings(), TABLE.as_bytes());
    result.unwrap();
    assert_eq!(rejects, []);
    let batch = batch(tally);
    assert_eq!(batch.progress[0].outcomes, Outcomes { counted: 10, not_analysed: 5, ..Outcomes::default() });
    assert_eq!(batch.fingerprints, []);
    assert_eq!(
        show(&batch),
        "\
2026-03-01T00:00:00Z 111122223333/us-east-1/iam.amazonaws.com/CreateUser ManagementWrite 6: \
arn:aws:sts::111122223333:assumed-role/Admin 3, null 3 | aws-cli/2.15 3, null 3
  AccessDenied 3: null 3 | null 3
2026-03-01T00:02:00Z 111122223333/us-east-1/kms.amazonaws.com/Decrypt ManagementRead 4: null 4 | null 4
"
    );
}

/// Months are backtested from a table in place of the records: what follows must be the same.
#[test]
fn a_table_gives_what_its_records_give() {
    let changes = |code: &str| serde_json::json!({ "errorCode": code });
    let time = "2026-03-01T00:00:10Z";
    let records = [record("1", time), with(record("2", time), changes("X")), with(record("3", time), changes("X"))];
    let (tally, _) = read(settings(), &serde_json::to_vec(&records).unwrap());
    let of_records = batch(tally);
    let row = "2026-03-01T00:00:00Z\t111122223333\tus-east-1\tiam.amazonaws.com\tCreateUser";
    let who = "arn:aws:sts::111122223333:assumed-role/Admin\taws-cli/2.15";
    let header = "minute\taccount\tregion\tsource\tname\tcalls\terrorCode\tprincipal\tuserAgent";
    let table = format!("{header}\n{row}\t2\tX\t{who}\n{row}\t1\t\\N\t{who}");
    let of_table = batch(counts(settings(), table.as_bytes()).0);
    assert_eq!(show(&of_table), show(&of_records));
    assert_eq!((&of_table.strings, &of_table.apis), (&of_records.strings, &of_records.apis));
}

#[test]
fn compressed_tables_count_the_same() {
    let expected = bytes(&batch(counts(settings(), TABLE.as_bytes()).0));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(TABLE.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(TABLE.as_bytes(), 3).unwrap();
    for table in [&gzip, &zstd] {
        assert_eq!(bytes(&batch(counts(settings(), table).0)), expected);
    }
}

/// A last row that was cut in two could say a smaller number than was written.
#[test]
fn a_row_that_was_cut_in_two_does_not_count() {
    let text = [TABLE.as_bytes(), &TABLE.as_bytes()[TABLE.find('\n').unwrap()..].repeat(50)].concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(&text).unwrap();
    let gzip = gzip.finish().unwrap();
    for cut in [3, 9, 17, 40, 41, 42] {
        let (tally, rejects, result) = counts(settings(), &gzip[..gzip.len() - 8 - cut]);
        result.unwrap();
        let reasons: Vec<_> = rejects.iter().map(|reject| reject.reason).collect();
        assert_eq!(reasons, ["truncated_compression"]);
        assert!(tally.rows.iter().all(|row| row.calls <= 4) && tally.len() >= 4 * 50);
    }
}

#[test]
fn rows_that_cannot_be_read_are_rejected_where_they_stand() {
    let good = "2026-03-01T00:00:00Z,1,r,s,n,1\n";
    let long = format!("2026-03-01T00:00:00Z,1,r,s,{},1\n", "n".repeat(70 << 10));
    let bad = [
        ("2026-03-01T00:00:30Z,1,r,s,n,1\n", "row_minute"),
        ("2026-03-01T00:00:00Z,1,r,s,n,9223372036854775808\n", "row_calls"),
        ("2026-03-01T00:00:00Z,1,r,s,n\n", "row_fields"),
        ("1970-01-01T00:00:00Z,1,r,s,n,1\n", "time_out_of_range"),
        ("9999-01-01T00:00:00Z,1,r,s,n,1\n", "time_out_of_range"),
        (&long, "line_too_large"),
    ];
    let mut text = "minute,account,region,source,name,calls\n".to_owned();
    let mut expected = Vec::new();
    for (row, reason) in bad {
        text += good;
        expected.push((text.len() as u64, reason));
        text += row;
    }
    text += good;
    let (tally, rejects, result) = counts(Settings { record_bytes: 64 << 10, ..settings() }, text.as_bytes());
    result.unwrap();
    let found: Vec<_> = rejects.iter().map(|reject| (reject.offset, reject.reason)).collect();
    assert_eq!(found, expected);
    assert_eq!((tally.len(), tally.outcomes().dead_letter), (bad.len() + 1, bad.len() as u64));
    assert!(rejects.iter().all(|reject| reject.excerpt.len() <= 256 && !reject.excerpt.contains('\n')));
}

#[test]
fn a_table_without_its_columns_cannot_be_opened() {
    for (table, expected) in [
        (
            &b"minute,calls\n"[..],
            "the header lacks account, region, source, name: minute, account, region, source, name and calls are needed",
        ),
        (
            b"",
            "the header lacks minute, account, region, source, name, calls: \
             minute, account, region, source, name and calls are needed",
        ),
        (b"\xff\n", "invalid_utf8"),
        (b"\x1f\x8b\x08\x00", "the header cannot be read: truncated_compression"),
    ] {
        let (_, rejects, result) = counts(settings(), table);
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (io::ErrorKind::InvalidData, expected));
        assert_eq!(rejects, []);
    }
}

/// deploy/queries/check.py compares this table with what DuckDB and ClickHouse make of the same files.
#[test]
fn the_queries_count_as_the_engine_does() {
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/queries/fixture");
    let settings = || Settings { data_events: vec!["s3.amazonaws.com".into()], attribute_values: 64, ..settings() };
    let mut of_records = Tally::new(Arc::new(settings()));
    let mut files = 0;
    for region in ["us-east-1", "eu-west-1"] {
        let folder = fixture.join(format!("AWSLogs/999988887777/CloudTrail/{region}/2026/03/01"));
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let origin = Origin { source: "test", path: path.to_str().unwrap() };
            of_records.read(&std::fs::read(&path).unwrap(), origin, &mut |reject| panic!("{reject:?}"));
            files += 1;
        }
    }
    let of_records = batch(of_records);
    assert_eq!((files, of_records.progress[0].outcomes.counted), (2, 25));
    let (of_table, rejects, result) = counts(settings(), &std::fs::read(fixture.join("counts.tsv")).unwrap());
    result.unwrap();
    assert_eq!(rejects, []);
    let of_table = batch(of_table);
    assert_eq!(show(&of_table), show(&of_records));
    assert_eq!(of_table.minutes, of_records.minutes);
}
