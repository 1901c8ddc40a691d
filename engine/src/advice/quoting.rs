//! Foreign text as one word of a shell, and as one literal of SQL.

/// One word of a POSIX shell with exactly this text in it. Control characters become `?`: a terminal obeys them when a
/// command is pasted, whatever the quotes say. What would be read as an option is not given out.
pub(super) fn shell(text: &str) -> Option<String> {
    let text = plain(text);
    if text.starts_with('-') {
        return None;
    }
    let harmless = |each: char| each.is_ascii_alphanumeric() || "_./:=@%+,".contains(each) || each == '-';
    if !text.is_empty() && text.chars().all(harmless) {
        return Some(text);
    }
    Some(format!("'{}'", text.replace('\'', "'\\''")))
}

/// A string literal of SQL with this text in it (Presto, which Athena speaks, knows no escape but the doubled quote).
pub(super) fn sql(text: &str) -> String {
    format!("'{}'", plain(text).replace('\'', "''"))
}

fn plain(text: &str) -> String {
    let obeyed = |each: char| {
        each.is_control()
            || matches!(each, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().map(|each| if obeyed(each) { '?' } else { each }).collect()
}
