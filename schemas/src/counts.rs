//! The counts table: calls by minute and API from somebody's query, in place of the records themselves.
//!
//! TSV or CSV with a header; columns by name in any order. One row is that many calls. Fields may be quoted as
//! in RFC 4180 whatever the separator; in TSV an unquoted field may hold the backslash escapes that ClickHouse
//! and PostgreSQL write, and `\N` is no value. A quoted field does not run over a line's end.
//!
//! This module reads lines; inflating them and cutting them is the caller's.

use std::borrow::Cow;

use thiserror::Error;

use crate::time::{Minute, parse_rfc3339};

/// Most calls of one row: over a hundred times what all of AWS would answer in a minute, and few enough that
/// ten million such rows add up in 64 bits. A row beyond it is [`RowError::Calls`].
pub const ROW_CALLS: u64 = 1_000_000_000_000;
/// Most columns of a table; a header beyond it is [`HeaderError::TooManyColumns`].
pub const COLUMNS: usize = 256;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// `minute`.
    pub minute: Minute,
    /// `account`.
    pub account: Cow<'a, str>,
    /// `region`.
    pub region: Cow<'a, str>,
    /// `source`, as `eventSource`.
    pub source: Cow<'a, str>,
    /// `name`, as `eventName`.
    pub name: Cow<'a, str>,
    /// `calls`, at most [`ROW_CALLS`].
    pub calls: u64,
    /// `category`, as `eventCategory`.
    pub category: Option<Cow<'a, str>>,
    /// `readOnly`.
    pub read_only: Option<bool>,
    /// `errorCode`; `None` for calls that did not fail.
    pub error_code: Option<Cow<'a, str>>,
    /// `principal`, an ARN or whatever names the caller.
    pub principal: Option<Cow<'a, str>>,
    /// `userAgent`.
    pub user_agent: Option<Cow<'a, str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Minute,
    Account,
    Region,
    Source,
    Name,
    Calls,
    Category,
    ReadOnly,
    ErrorCode,
    Principal,
    UserAgent,
}

impl Column {
    const ALL: [Column; 11] = [
        Column::Minute,
        Column::Account,
        Column::Region,
        Column::Source,
        Column::Name,
        Column::Calls,
        Column::Category,
        Column::ReadOnly,
        Column::ErrorCode,
        Column::Principal,
        Column::UserAgent,
    ];
    /// The first columns of `ALL` that a table must have.
    const REQUIRED: usize = 6;

    fn name(self) -> &'static str {
        match self {
            Column::Minute => "minute",
            Column::Account => "account",
            Column::Region => "region",
            Column::Source => "source",
            Column::Name => "name",
            Column::Calls => "calls",
            Column::Category => "category",
            Column::ReadOnly => "readOnly",
            Column::ErrorCode => "errorCode",
            Column::Principal => "principal",
            Column::UserAgent => "userAgent",
        }
    }

    /// Athena writes column names in lower case, and some people write `read_only`.
    fn of(name: &str) -> Option<Column> {
        let plain: String = name.trim().chars().filter(|character| *character != '_').collect();
        Column::ALL.into_iter().find(|column| column.name().eq_ignore_ascii_case(&plain))
    }
}

/// Why a table cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Every required column that is not there.
    #[error("the header lacks {}: minute, account, region, source, name and calls are needed", .0.join(", "))]
    Missing(Vec<&'static str>),
    /// A column that is there twice.
    #[error("the header names {0} twice")]
    Twice(&'static str),
    /// Over [`COLUMNS`].
    #[error("the header has {0} columns; at most {COLUMNS} are read")]
    TooManyColumns(usize),
    /// A quote that does not close.
    #[error("the header has a quote that does not close")]
    Quote,
}

/// Why a row cannot be read. The others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum RowError {
    /// Too many or too few fields.
    #[error("the row has {found} fields, the header {expected}")]
    Fields {
        /// In the header.
        expected: usize,
        /// In the row.
        found: usize,
    },
    /// A required field is empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// `minute` is no whole minute since 1970, written as RFC 3339.
    #[error("minute is not a whole minute in RFC 3339")]
    Minute,
    /// `calls` is no whole number from 0 to [`ROW_CALLS`].
    #[error("calls is not a whole number from 0 to {ROW_CALLS}")]
    Calls,
    /// `readOnly` is neither true nor false.
    #[error("readOnly is neither true nor false")]
    ReadOnly,
    /// A quote that does not close, or text behind one that did.
    #[error("a quoted field does not end where it should")]
    Quote,
    /// Not UTF-8.
    #[error("the row is not UTF-8")]
    Utf8,
}

impl RowError {
    /// The stable name: the `reason` of a dead letter and of its counter.
    pub fn name(self) -> &'static str {
        match self {
            RowError::Fields { .. } => "row_fields",
            RowError::Empty(_) => "row_empty_field",
            RowError::Minute => "row_minute",
            RowError::Calls => "row_calls",
            RowError::ReadOnly => "row_read_only",
            RowError::Quote => "row_quote",
            RowError::Utf8 => "row_utf8",
        }
    }
}

/// What the first line says: the separator, and where each column stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    separator: u8,
    /// What each field of a row is; `None` for a column that is not known.
    columns: Vec<Option<Column>>,
    unknown: Vec<String>,
}

impl Header {
    /// Reads the first line, with or without its line end and byte order mark. A tab anywhere in it makes the
    /// table TSV.
    pub fn parse(line: &str) -> Result<Header, HeaderError> {
        let line = without_line_end(line.strip_prefix('\u{feff}').unwrap_or(line));
        let separator = if line.contains('\t') { b'\t' } else { b',' };
        let (mut columns, mut unknown, mut count) = (Vec::new(), Vec::new(), 0);
        for field in (Fields { rest: Some(line), separator }) {
            let name = field.map_err(|_| HeaderError::Quote)?.unwrap_or_default();
            let column = Column::of(&name);
            count += 1;
            match column {
                Some(column) if columns.contains(&Some(column)) => return Err(HeaderError::Twice(column.name())),
                None if count <= COLUMNS => unknown.push(name.into_owned()),
                _ => {}
            }
            columns.push(column);
        }
        if count > COLUMNS {
            return Err(HeaderError::TooManyColumns(count));
        }
        let required = &Column::ALL[..Column::REQUIRED];
        let missing: Vec<_> =
            required.iter().filter(|column| !columns.contains(&Some(**column))).map(|column| column.name()).collect();
        if missing.is_empty() { Ok(Header { separator, columns, unknown }) } else { Err(HeaderError::Missing(missing)) }
    }

    /// The columns that are ignored, by name, so that a misspelt one can be warned of.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// Reads one further line, with or without its line end. `None`: a blank line.
    pub fn row<'a>(&self, line: &'a [u8]) -> Option<Result<Row<'a>, RowError>> {
        let Ok(line) = simdutf8::basic::from_utf8(line) else { return Some(Err(RowError::Utf8)) };
        let line = without_line_end(line);
        (!line.is_empty()).then(|| self.fields(line).and_then(Cells::into_row))
    }

    fn fields<'a>(&self, line: &'a str) -> Result<Cells<'a>, RowError> {
        let mut cells = Cells::default();
        let mut found = 0;
        for field in (Fields { rest: Some(line), separator: self.separator }) {
            let field = field?;
            if let Some(Some(column)) = self.columns.get(found) {
                cells.0[*column as usize] = field.filter(|text| !text.is_empty());
            }
            found += 1;
        }
        let expected = self.columns.len();
        if found == expected { Ok(cells) } else { Err(RowError::Fields { expected, found }) }
    }
}

fn without_line_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// The known fields of a row; empty ones are `None`.
#[derive(Default)]
struct Cells<'a>([Option<Cow<'a, str>>; Column::ALL.len()]);

impl<'a> Cells<'a> {
    fn into_row(mut self) -> Result<Row<'a>, RowError> {
        Ok(Row {
            minute: whole_minute(&self.required(Column::Minute)?)?,
            account: self.required(Column::Account)?,
            region: self.required(Column::Region)?,
            source: self.required(Column::Source)?,
            name: self.required(Column::Name)?,
            calls: calls(&self.required(Column::Calls)?)?,
            category: self.take(Column::Category),
            read_only: self.take(Column::ReadOnly).map(|text| flag(&text)).transpose()?,
            error_code: self.take(Column::ErrorCode),
            principal: self.take(Column::Principal),
            user_agent: self.take(Column::UserAgent),
        })
    }

    fn take(&mut self, column: Column) -> Option<Cow<'a, str>> {
        self.0[column as usize].take()
    }

    fn required(&mut self, column: Column) -> Result<Cow<'a, str>, RowError> {
        self.take(column).ok_or(RowError::Empty(column.name()))
    }
}

fn whole_minute(text: &str) -> Result<Minute, RowError> {
    let has_fraction = text
        .split_once('.')
        .is_some_and(|(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).any(|digit| digit != b'0'));
    parse_rfc3339(text)
        .filter(|seconds| seconds % 60 == 0 && !has_fraction)
        .and_then(Minute::of_seconds)
        .ok_or(RowError::Minute)
}

fn calls(text: &str) -> Result<u64, RowError> {
    // A sign is refused too, which `parse` would take.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let value = text.parse().ok().filter(|calls| digits && *calls <= ROW_CALLS);
    value.ok_or(RowError::Calls)
}

fn flag(text: &str) -> Result<bool, RowError> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(RowError::ReadOnly),
    }
}

/// The fields of one line; `None` where TSV says there is no value.
struct Fields<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Option<Cow<'a, str>>, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        if let Some(inside) = rest.strip_prefix('"') {
            return Some(self.quoted(inside).map(Some));
        }
        let separator = char::from(self.separator);
        let field = match rest.split_once(separator) {
            Some((field, behind)) => {
                self.rest = Some(behind);
                field
            }
            None => rest,
        };
        Some(Ok(match field {
            r"\N" if separator == '\t' => None,
            _ if separator == '\t' => Some(without_escapes(field)),
            _ => Some(Cow::Borrowed(field)),
        }))
    }
}

impl<'a> Fields<'a> {
    /// A field whose opening quote is gone; a doubled quote in it is one.
    fn quoted(&mut self, inside: &'a str) -> Result<Cow<'a, str>, RowError> {
        let mut from = 0;
        let end = loop {
            let quote = from + inside[from..].find('"').ok_or(RowError::Quote)?;
            if !inside[quote + 1..].starts_with('"') {
                break quote;
            }
            from = quote + 2;
        };
        let behind = &inside[end + 1..];
        self.rest = match behind.strip_prefix(char::from(self.separator)) {
            Some(rest) => Some(rest),
            None if behind.is_empty() => None,
            None => return Err(RowError::Quote),
        };
        let field = &inside[..end];
        Ok(if from == 0 { Cow::Borrowed(field) } else { Cow::Owned(field.replace("\"\"", "\"")) })
    }
}

fn without_escapes(field: &str) -> Cow<'_, str> {
    if !field.contains('\\') {
        return Cow::Borrowed(field);
    }
    let mut text = String::with_capacity(field.len());
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('t') => text.push('\t'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('0') => text.push('\0'),
            Some(other) => text.push(other),
            None => text.push('\\'),
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "minute,account,region,source,name,calls";

    fn read(header: &str, line: &str) -> Result<Row<'static>, RowError> {
        let header = Header::parse(header).unwrap();
        let row = header.row(Vec::leak(line.as_bytes().to_vec())).expect("not blank");
        row
    }

    #[test]
    fn columns_in_any_order_and_spelling() {
        let header = "\u{feff}UserAgent\terror_code\tcalls\textra\treadonly\tcategory\tname\tsource\tregion\taccount\tminute\tprincipal\r\n";
        let parsed = Header::parse(header).unwrap();
        assert_eq!(parsed.unknown(), ["extra"]);
        let row = read(
            header,
            "aws\\tcli\t\\N\t12\tx\tTRUE\tManagement\tGetUser\tiam.amazonaws.com\teu-west-1\t111122223333\t2023-07-10T12:05:00Z\t\"a \"\"b\"\"\"\r\n",
        )
        .unwrap();
        assert_eq!(
            row,
            Row {
                minute: Minute::of_seconds(parse_rfc3339("2023-07-10T12:05:00Z").unwrap()).unwrap(),
                account: "111122223333".into(),
                region: "eu-west-1".into(),
                source: "iam.amazonaws.com".into(),
                name: "GetUser".into(),
                calls: 12,
                category: Some("Management".into()),
                read_only: Some(true),
                error_code: None,
                principal: Some("a \"b\"".into()),
                user_agent: Some("aws\tcli".into()),
            }
        );
    }

    #[test]
    fn headers_that_cannot_be_read() {
        for (header, error, text) in [
            (
                "minute,account,calls",
                HeaderError::Missing(vec!["region", "source", "name"]),
                "the header lacks region, source, name: minute, account, region, source, name and calls are needed",
            ),
            ("minute,Minute", HeaderError::Twice("minute"), "the header names minute twice"),
            ("\"minute", HeaderError::Quote, "the header has a quote that does not close"),
            (
                &",".repeat(COLUMNS),
                HeaderError::TooManyColumns(COLUMNS + 1),
                "the header has 257 columns; at most 256 are read",
            ),
        ] {
            assert_eq!(Header::parse(header), Err(error.clone()));
            assert_eq!(error.to_string(), text);
        }
        let full = format!("{PLAIN}{}", ",x".repeat(COLUMNS - 6));
        assert_eq!(Header::parse(&full).unwrap().unknown().len(), COLUMNS - 6);
    }

    #[test]
    fn calls_up_to_the_limit_and_no_further() {
        let row = |calls: &str| read(PLAIN, &format!("2023-07-10T12:05:00Z,1,r,s,n,{calls}")).map(|row| row.calls);
        assert_eq!(row("0"), Ok(0));
        assert_eq!(row(&ROW_CALLS.to_string()), Ok(ROW_CALLS));
        for calls in [
            &(ROW_CALLS + 1).to_string(),
            "9223372036854775808",
            "18446744073709551616",
            "-1",
            "+1",
            "1.5",
            "1e3",
            "0x10",
            " 1",
        ] {
            assert_eq!(row(calls), Err(RowError::Calls), "{calls}");
        }
    }

    #[test]
    fn rows_that_cannot_be_read() {
        let minute = |text: &str| read(PLAIN, &format!("{text},1,r,s,n,1")).map(|row| row.minute.0);
        assert_eq!(minute("1970-01-01T00:01:00Z"), Ok(1));
        assert_eq!(minute("1970-01-01T00:01:00.000Z"), Ok(1));
        assert_eq!(minute("1970-01-01 01:01:00+01:00"), Ok(1));
        for text in ["2023-07-10T12:05:30Z", "2023-07-10T12:05:00.5Z", "2023-07-10T12:05Z", "1969-12-31T23:59:00Z", "x"]
        {
            assert_eq!(minute(text), Err(RowError::Minute), "{text}");
        }
        for (line, error) in [
            ("2023-07-10T12:05:00Z,1,r,s,n", RowError::Fields { expected: 6, found: 5 }),
            ("2023-07-10T12:05:00Z,1,r,s,n,1,2", RowError::Fields { expected: 6, found: 7 }),
            ("2023-07-10T12:05:00Z,1,r,,n,1", RowError::Empty("source")),
            ("2023-07-10T12:05:00Z,1,r,\"s,n,1", RowError::Quote),
            ("2023-07-10T12:05:00Z,1,r,\"s\"x,n,1", RowError::Quote),
        ] {
            assert_eq!(read(PLAIN, line), Err(error), "{line}");
        }
        let header = Header::parse(PLAIN).unwrap();
        assert_eq!(header.row(b"\xff"), Some(Err(RowError::Utf8)));
        assert_eq!(header.row(b"\r\n"), None);
        let flagged = format!("{PLAIN},readOnly");
        assert_eq!(read(&flagged, "2023-07-10T12:05:00Z,1,r,s,n,1,perhaps"), Err(RowError::ReadOnly));
        assert_eq!(read(&flagged, "2023-07-10T12:05:00Z,1,r,s,n,1,").map(|row| row.read_only), Ok(None));
    }

    #[test]
    fn quoted_fields_hold_separators() {
        let row = read(PLAIN, r#""2023-07-10T12:05:00Z","1","r","a,b","say ""hi""","7""#).unwrap();
        assert_eq!((&*row.source, &*row.name, row.calls), ("a,b", "say \"hi\"", 7));
        let row = read(PLAIN, r"2023-07-10T12:05:00Z,1,r,\N,a\tb,7").unwrap();
        assert_eq!((&*row.source, &*row.name), (r"\N", r"a\tb"), "CSV has no backslash escapes");
    }

    proptest::proptest! {
        #[test]
        fn any_field_survives_being_written_as_csv(fields in proptest::collection::vec("[^\r\n]{1,12}", 4), tsv: bool) {
            let (separator, header) = if tsv { ("\t", PLAIN.replace(',', "\t")) } else { (",", PLAIN.to_owned()) };
            let quoted: Vec<String> = fields.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
            let line = format!("2023-07-10T12:05:00Z{separator}{}{separator}3", quoted.join(separator));
            let row = read(&header, &line).unwrap();
            let found = [row.account, row.region, row.source, row.name];
            proptest::prop_assert!(found.iter().zip(&fields).all(|(found, field)| found == field));
        }

        #[test]
        fn no_line_panics(header in proptest::prelude::any::<String>(), line: Vec<u8>) {
            let _ = Header::parse(&header);
            let _ = Header::parse(PLAIN).unwrap().row(&line);
        }
    }
}
