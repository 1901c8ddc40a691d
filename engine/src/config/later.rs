//! What the documentation names and this version does not do yet: said so, rather than accepted and ignored.

/// (section, key, value, what this version does not do).
const LATER: &[(&str, &str, &str, &str)] = &[
    ("sources", "mechanism", "aws-msk-iam", "sign in to Amazon MSK with IAM"),
    ("sinks", "mechanism", "aws-msk-iam", "sign in to Amazon MSK with IAM"),
    ("sources", "type", "sqs", "read from SQS"),
    ("sinks", "type", "sns", "publish to SNS"),
    ("sinks", "type", "sqs", "send to SQS"),
    ("sinks", "type", "s3", "write to S3"),
    ("sinks", "type", "eventbridge", "put events on EventBridge"),
];

/// The sentence for a value that a later version will know.
pub(super) fn sentence(key: &str, value: &str) -> Option<String> {
    let (section, _) = key.split_once('.')?;
    let (_, last) = key.rsplit_once('.')?;
    LATER
        .iter()
        .find(|(within, name, word, _)| *within == section && *name == last && *word == value)
        .map(|(_, _, _, what)| format!("this version does not {what} yet"))
}
