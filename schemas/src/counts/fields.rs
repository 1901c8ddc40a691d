//! Cutting one line into its fields.

use std::borrow::Cow;

use super::RowError;

/// The fields of one line; `None` where TSV says there is no value.
pub(super) struct Fields<'a> {
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
    pub(super) fn of(line: &'a str, separator: u8) -> Fields<'a> {
        Fields { rest: Some(line), separator }
    }

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
