//! Minutes, hours and weeks as plain numbers; UTC throughout, weeks begin where the epoch's first one did.

/// Minutes since 1970-01-01T00:00Z.
pub type Minute = u32;

pub(crate) const HOUR: u32 = 60;
pub(crate) const DAY: u32 = 1440;
/// Minutes of a week.
pub const WEEK: u32 = 10_080;
pub(crate) const HOURS_OF_WEEK: u32 = 168;

/// Minutes from here on (the year 10 000 and later) are not closed: the arithmetic below it cannot overflow.
pub const LAST_MINUTE: Minute = u32::MAX - 64 * WEEK;
