//! Made-up input: records of the size that real ones have, and counts tables of many series.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;

/// 2024-03-04T00:00Z, minutes since the epoch.
const START: u64 = 28_491_840;

/// splitmix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// gzip files of `each` records, about 1.7 kB a record, in the form in which CloudTrail delivers them. A
/// thousand series; one of them bursts once, so that there is something to find. Returns the bytes unpacked.
pub(crate) fn gzip_files(folder: &Path, records: u64, each: u64) -> Result<u64> {
    let mut dice = Dice(7);
    let mut unpacked = 0;
    for (index, first) in (0..records).step_by(each as usize).enumerate() {
        let file = BufWriter::new(File::create(folder.join(format!("{index:06}.json.gz")))?);
        let mut gzip = GzEncoder::new(file, Compression::new(6));
        let mut text = String::from("{\"Records\":[");
        for number in first..(first + each).min(records) {
            if number > first {
                text.push(',');
            }
            record(&mut text, number, records, &mut dice);
        }
        text.push_str("]}");
        unpacked += text.len() as u64;
        gzip.write_all(text.as_bytes())?;
        gzip.finish()?.flush()?;
    }
    Ok(unpacked)
}

/// The same records one by one, each as a message.
pub(crate) fn each_record(records: u64, mut each: impl FnMut(u64, &str) -> Result<()>) -> Result<()> {
    let (mut dice, mut text) = (Dice(7), String::new());
    for number in 0..records {
        text.clear();
        record(&mut text, number, records, &mut dice);
        each(number, &text)?;
    }
    Ok(())
}

fn record(text: &mut String, number: u64, records: u64, dice: &mut Dice) {
    // A day of event time, whatever the number of records; a burst of 1 % at its middle.
    let burst = (records / 2..records / 2 + records / 100).contains(&number);
    let minute = START + if burst { 720 } else { number * 1440 / records };
    let (series, caller) = if burst { (7, 7) } else { (dice.next() % 1000, dice.next() % 200) };
    let (a, b) = (dice.next(), dice.next());
    let time = time(minute, a % 60);
    let region = ["eu-west-1", "us-east-1", "ap-south-1", "us-west-2"][(series % 4) as usize];
    let service = ["ec2", "iam", "ssm", "sqs", "lambda"][(series / 4 % 5) as usize];
    let name = series / 20;
    let padding = "arn:aws:ec2:eu-west-1:111122223333:security-group/sg-0123456789abcdef0 ".repeat(6);
    text.push_str(&format!(
        "{{\"eventVersion\":\"1.11\",\"userIdentity\":{{\"type\":\"AssumedRole\",\"principalId\":\"AROAEXAMPLEEXAMPLE:{a:016x}\",\
         \"arn\":\"arn:aws:sts::111122223333:assumed-role/role-{caller}/{a:016x}\",\"accountId\":\"111122223333\",\
         \"accessKeyId\":\"ASIA{b:016X}\",\"sessionContext\":{{\"sessionIssuer\":{{\"type\":\"Role\",\"principalId\":\"AROAEXAMPLEEXAMPLE\",\
         \"arn\":\"arn:aws:iam::111122223333:role/role-{caller}\",\"accountId\":\"111122223333\",\"userName\":\"role-{caller}\"}},\
         \"attributes\":{{\"creationDate\":\"{time}\",\"mfaAuthenticated\":\"false\"}}}}}},\"eventTime\":\"{time}\",\
         \"eventSource\":\"{service}.amazonaws.com\",\"eventName\":\"CreateThing{name}\",\"awsRegion\":\"{region}\",\
         \"sourceIPAddress\":\"192.0.2.{ip}\",\"userAgent\":\"aws-sdk-go/1.{caller} (go1.22; linux; amd64)\",\
         \"requestParameters\":{{\"description\":\"{padding}\",\"token\":\"{b:016x}\"}},\"responseElements\":{{\"requestId\":\"{a:016x}\",\
         \"_return\":true}},\"requestID\":\"{a:08x}-0000-4000-8000-{c:012x}\",\"eventID\":\"{b:08x}-0000-4000-8000-{c:012x}\",\
         \"readOnly\":false,\"eventType\":\"AwsApiCall\",\"managementEvent\":true,\"recipientAccountId\":\"111122223333\",\
         \"eventCategory\":\"Management\",\"tlsDetails\":{{\"tlsVersion\":\"TLSv1.3\",\"cipherSuite\":\"TLS_AES_128_GCM_SHA256\",\
         \"clientProvidedHostHeader\":\"{service}.{region}.amazonaws.com\"}}}}",
        ip = a % 250,
        a = a,
        b = b & 0xffff_ffff,
        c = number,
    ));
}

fn time(minute: u64, second: u64) -> String {
    trailsight_schemas::time::format_rfc3339((minute * 60 + second) as i64)
}

/// A counts table: `series` series, `days` days, each series called in `of_hour` minutes of every hour.
pub(crate) fn counts(path: &Path, series: u64, days: u64, of_hour: u64) -> Result<PathBuf> {
    let mut gzip = GzEncoder::new(BufWriter::new(File::create(path)?), Compression::fast());
    gzip.write_all(b"minute\taccount\tregion\tsource\tname\tcalls\n")?;
    let mut dice = Dice(11);
    for minute in 0..days * 1440 {
        let time = time(START + minute, 0);
        let step = 60 / of_hour.clamp(1, 60);
        for each in (minute % step..series).step_by(step as usize) {
            let calls = 1 + dice.next() % 9;
            writeln!(gzip, "{time}\t{:012}\teu-west-1\tiam.amazonaws.com\tCreateThing{each}\t{calls}", each % 20)?;
        }
    }
    gzip.finish()?.flush()?;
    Ok(path.to_owned())
}
