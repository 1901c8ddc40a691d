//! What somebody might put into a name, a user agent or a role so that something somewhere takes it for more.

/// Each must come out as it went in, as text.
pub(crate) const ATTACKS: [&str; 14] = [
    "<script>window.attacked = 1</script>",
    "<img src=x onerror=\"window.attacked = 1\">",
    "\"><svg onload=window.attacked=1>",
    "'; window.attacked = 1; //",
    "javascript:window.attacked=1",
    "</title></style></textarea></script><script>window.attacked=1</script>",
    "{{constructor.constructor('window.attacked=1')()}}",
    "${window.attacked = 1}",
    "<a href=\"https://evil.example\">click</a>",
    "<!channel> *bold* <https://evil.example|text>",
    "[link](https://evil.example) `code`",
    "right\u{202e}to\u{2066}left",
    "../../../etc/passwd?x=%00#y",
    "__proto__",
];
