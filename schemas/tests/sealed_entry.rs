//! Journal entries as bytes: any entry survives, damage is an error, and what version 1 wrote is read for ever.

use proptest::prelude::*;
use trailsight_schemas::entry::*;
use trailsight_schemas::sealed::{Kind, SealError, decode_entry, encode_entry, open, seal};
use trailsight_schemas::time::Minute;

fn attribution(strings: u32) -> impl Strategy<Value = Attribution> {
    let value = (0..strings, prop_oneof![1u64..50, any::<u64>()]);
    (prop::collection::vec(value, 0..4), prop_oneof![Just(0u64), any::<u64>()])
        .prop_map(|(values, other)| Attribution { values, other })
}

fn error_minute(strings: u32) -> impl Strategy<Value = ErrorMinute> {
    (0..strings, any::<u64>(), attribution(strings), attribution(strings))
        .prop_map(|(code, calls, identities, agents)| ErrorMinute { code, calls, identities, agents })
}

fn api_minute(strings: u32, apis: u32) -> impl Strategy<Value = ApiMinute> {
    let errors = prop::collection::vec(error_minute(strings), 0..3);
    (0..apis, any::<u32>(), any::<u64>(), attribution(strings), attribution(strings), errors).prop_map(
        |(api, minute, calls, identities, agents, errors)| ApiMinute {
            api,
            minute: Minute(minute),
            calls,
            identities,
            agents,
            errors,
        },
    )
}

fn api(strings: u32) -> impl Strategy<Value = Api> {
    let class = prop_oneof![Just(Class::ManagementWrite), Just(Class::ManagementRead), Just(Class::Data)];
    (0..strings, 0..strings, 0..strings, 0..strings, class).prop_map(|(account, region, source, name, class)| Api {
        account,
        region,
        source,
        name,
        class,
    })
}

fn progress() -> impl Strategy<Value = Progress> {
    let marks = prop::collection::vec((".{0,8}", prop::collection::vec(any::<u8>(), 0..8)), 0..3);
    let outcomes = any::<[u64; 4]>().prop_map(|[counted, duplicate, not_analysed, dead_letter]| Outcomes {
        counted,
        duplicate,
        not_analysed,
        dead_letter,
    });
    (".{0,8}", ".{0,8}", marks, any::<Option<i64>>(), any::<bool>(), any::<Option<u32>>(), outcomes).prop_map(
        |(source, partition, marks, newest, caught_up, complete, outcomes)| Progress {
            source,
            partition,
            marks,
            newest,
            caught_up,
            complete_through: complete.map(Minute),
            outcomes,
        },
    )
}

fn batch() -> impl Strategy<Value = Batch> {
    (1u32..8, 1u32..6).prop_flat_map(|(strings, apis)| {
        let (count, api_count) = (strings as usize, apis as usize);
        let fingerprint = (any::<u32>(), any::<u64>()).prop_map(|(m, hash)| Fingerprint { minute: Minute(m), hash });
        (
            prop::collection::vec("(arn:aws:é?)?.{0,12}", count),
            prop::collection::vec(api(strings), api_count),
            prop::collection::vec(api_minute(strings, apis), 0..5),
            prop::collection::vec(fingerprint, 0..20),
            prop::collection::vec(progress(), 0..3),
            any::<bool>(),
        )
            .prop_map(|(mut strings, apis, minutes, mut fingerprints, progress, sorted)| {
                if sorted {
                    strings.sort();
                    fingerprints.sort();
                }
                Batch { strings, apis, minutes, fingerprints, progress }
            })
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let epoch = (".{0,20}", ".{0,40}").prop_map(|(version, settings)| Body::Epoch(Epoch { version, settings }));
    let mute = (".{0,20}", prop::option::of(".{0,40}"), ".{0,9}")
        .prop_map(|(key, mute, by)| Body::Mute(MuteChange { key, mute, by }));
    (any::<i64>(), prop_oneof![8 => batch().prop_map(Body::Batch), 1 => epoch, 1 => mute])
        .prop_map(|(taken_at, body)| Entry { taken_at, body })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_entry_survives(entry in entry()) {
        prop_assert_eq!(decode_entry(&encode_entry(&entry).unwrap()), Ok(entry));
    }

    #[test]
    fn a_flipped_bit_or_a_cut_is_an_error(entry in entry(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let mut bytes = encode_entry(&entry).unwrap();
        let at = at.index(bytes.len());
        prop_assert!(decode_entry(&bytes[..at]).is_err());
        bytes[at] ^= 1 << bit;
        prop_assert!(decode_entry(&bytes).is_err());
    }

    /// Behind a good checksum too: whoever can write the file can compute one.
    #[test]
    fn a_payload_altered_under_a_good_checksum_never_points_outside(
        entry in entry(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (_, mut payload) = open(Kind::Entry, 1, &encode_entry(&entry).unwrap()).unwrap();
        for (at, byte) in changes {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        if let Ok(Entry { body: Body::Batch(batch), .. }) = decode_entry(&seal(Kind::Entry, 1, &payload).unwrap()) {
            prop_assert!(all_indices_hold(&batch));
        }
    }
}

fn all_indices_hold(batch: &Batch) -> bool {
    let string = |id: &StringId| (*id as usize) < batch.strings.len();
    let attribution = |attribution: &Attribution| attribution.values.iter().all(|(value, _)| string(value));
    batch.apis.iter().all(|api| [api.account, api.region, api.source, api.name].iter().all(string))
        && batch.minutes.iter().all(|row| {
            (row.api as usize) < batch.apis.len()
                && attribution(&row.identities)
                && attribution(&row.agents)
                && row.errors.iter().all(|e| string(&e.code) && attribution(&e.identities) && attribution(&e.agents))
        })
}

/// An entry that uses everything the format can say.
fn everything() -> Entry {
    let strings =
        ["000000000000", "AccessDenied", "arn:aws:iam::000000000000:role/ci", "arn:aws:iam::000000000000:role/é"];
    let more = ["aws-cli/2.15", "eu-west-1", "iam.amazonaws.com", "CreateUser", "ListUsers"];
    let values = |values: &[(u32, u64)], other| Attribution { values: values.to_vec(), other };
    let row = |api, minute, calls, errors| ApiMinute {
        api,
        minute: Minute(minute),
        calls,
        identities: values(&[(2, 5), (3, 2)], calls - 7),
        agents: values(&[(4, 7)], calls - 7),
        errors,
    };
    let denied = ErrorMinute { code: 1, calls: 3, identities: values(&[(2, 3)], 0), agents: values(&[], 3) };
    Entry {
        taken_at: 1_700_000_123_456,
        body: Body::Batch(Batch {
            strings: strings.iter().chain(&more).map(|s| s.to_string()).collect(),
            apis: vec![
                Api { account: 0, region: 5, source: 6, name: 7, class: Class::ManagementWrite },
                Api { account: 0, region: 5, source: 6, name: 8, class: Class::ManagementRead },
                Api { account: 0, region: 5, source: 6, name: 8, class: Class::Data },
            ],
            minutes: vec![
                row(0, 28_333_330, 9, vec![denied]),
                row(1, 28_333_330, u64::MAX, vec![]),
                row(2, 28_333_331, 7, vec![]),
            ],
            fingerprints: vec![
                Fingerprint { minute: Minute(28_333_330), hash: 0x0123_4567_89ab_cdef },
                Fingerprint { minute: Minute(28_333_330), hash: 0xfedc_ba98_7654_3210 },
                Fingerprint { minute: Minute(28_333_331), hash: 1 },
            ],
            progress: vec![
                Progress {
                    source: "inbox".into(),
                    marks: vec![("a.json.gz".into(), vec![0, 255, 7]), ("gone".into(), vec![])],
                    newest: Some(1_699_999_859),
                    caught_up: true,
                    outcomes: Outcomes { counted: 3, duplicate: 1, not_analysed: 2, dead_letter: 4 },
                    ..Progress::default()
                },
                Progress {
                    source: "table".into(),
                    partition: "trail/3".into(),
                    complete_through: Some(Minute(28_333_331)),
                    ..Progress::default()
                },
            ],
        }),
    }
}

fn epoch() -> Entry {
    let settings = r#"{"sensitivity":"medium"}"#.to_string();
    Entry { taken_at: -1, body: Body::Epoch(Epoch { version: "0.1.0".into(), settings }) }
}

const ENTRY_V1: &[u8] = include_bytes!("formats/entry-v1.bin");
const EPOCH_V1: &[u8] = include_bytes!("formats/epoch-v1.bin");
const SNAPSHOT_V1: &[u8] = include_bytes!("formats/snapshot-v1.bin");

fn snapshot_payload() -> Vec<u8> {
    (0..=255u8).cycle().take(1000).collect()
}

/// These files are never written again: a later version must read what version 1 wrote.
#[test]
fn committed_examples_of_version_1_are_read() {
    assert_eq!(decode_entry(ENTRY_V1), Ok(everything()));
    assert_eq!(decode_entry(EPOCH_V1), Ok(epoch()));
    assert_eq!(open(Kind::PartitionSnapshot, 1, SNAPSHOT_V1), Ok((1, snapshot_payload())));
}

#[test]
fn a_later_entry_is_refused_by_its_number() {
    let later = seal(Kind::Entry, 2, b"whatever a later version writes").unwrap();
    assert_eq!(decode_entry(&later), Err(SealError::Later { found: 2, known: 1 }));
}

/// Ten thousand records a second at 1.7 kB, one entry a second: the journal may be 5 % of that, 85 bytes a record.
#[test]
fn an_entry_of_ten_thousand_records_takes_at_most_20_bytes_a_record() {
    let (records, entry) = one_second_of_traffic();
    let bytes = encode_entry(&entry).unwrap();
    let each = bytes.len() as f64 / records as f64;
    println!("{} bytes for {records} records: {each:.1} each", bytes.len());
    assert!(each < 20.0, "{each}");
    assert_eq!(decode_entry(&bytes), Ok(entry));
}

/// 200 accounts, 3 Regions, 60 APIs with falling popularity, 20 roles an account, lateness over eight minutes.
fn one_second_of_traffic() -> (u64, Entry) {
    use std::collections::BTreeMap;
    let mut state = 42u64;
    let mut random = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let mut skewed = |n: u64| ((random() % n) * (random() % n) / n, random());
    let records = 10_000u64;
    type Who = BTreeMap<(u64, u64), u64>;
    let mut rollup: BTreeMap<(u32, u64, u64, u64), Who> = BTreeMap::new();
    let mut fingerprints = Vec::new();
    for _ in 0..records {
        let (account, _) = skewed(200);
        let (region, _) = skewed(3);
        let (name, _) = skewed(60);
        let (role, _) = skewed(20);
        let (late, hash) = skewed(8);
        let minute = 28_333_330 - late as u32;
        *rollup.entry((minute, account, region, name)).or_default().entry((role, role % 7)).or_default() += 1;
        fingerprints.push(Fingerprint { minute: Minute(minute), hash });
    }
    fingerprints.sort();
    let account = |n: u64| format!("{:012}", 100_000_000_000 + n * 7_919_777);
    let role = |a: u64, n: u64| format!("arn:aws:sts::{}:assumed-role/service-{n}-role", account(a));
    let agent = |n: u64| format!("aws-sdk-java/2.20.{n} Linux/5.10 OpenJDK_64-Bit_Server_VM/17.0.{n}");
    let region = |n: u64| format!("eu-west-{n}");
    let name = |n: u64| format!("DescribeThing{n}");
    let mut strings: Vec<String> = vec!["ec2.amazonaws.com".into()];
    for ((_, a, r, n), who) in &rollup {
        strings.extend([account(*a), region(*r), name(*n)]);
        strings.extend(who.keys().flat_map(|(who, with)| [role(*a, *who), agent(*with)]));
    }
    strings.sort();
    strings.dedup();
    let id = |s: String| strings.binary_search(&s).expect("collected above") as u32;
    let key = |a: u64, r: u64, n: u64| Api {
        account: id(account(a)),
        region: id(region(r)),
        source: id("ec2.amazonaws.com".into()),
        name: id(name(n)),
        class: Class::ManagementRead,
    };
    let mut apis: Vec<Api> = rollup.keys().map(|&(_, a, r, n)| key(a, r, n)).collect();
    apis.sort();
    apis.dedup();
    let tally = |values: Vec<(u32, u64)>| {
        let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
        values.into_iter().for_each(|(value, calls)| *sums.entry(value).or_default() += calls);
        Attribution { values: sums.into_iter().collect(), other: 0 }
    };
    let mut minutes: Vec<ApiMinute> = rollup
        .iter()
        .map(|(&(minute, a, r, n), who)| ApiMinute {
            api: apis.binary_search(&key(a, r, n)).expect("collected above") as u32,
            minute: Minute(minute),
            calls: who.values().sum(),
            identities: tally(who.iter().map(|(&(who, _), &calls)| (id(role(a, who)), calls)).collect()),
            agents: tally(who.iter().map(|(&(_, with), &calls)| (id(agent(with)), calls)).collect()),
            errors: vec![],
        })
        .collect();
    minutes.sort_by_key(|row| (row.minute, row.api));
    let batch = Batch { strings, apis, minutes, fingerprints, progress: vec![] };
    (records, Entry { taken_at: 1_700_000_000_000, body: Body::Batch(batch) })
}
