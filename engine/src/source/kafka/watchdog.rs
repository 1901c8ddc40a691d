//! Does the consumer stand still while there is something to read?
//!
//! librdkafka has been seen to get nothing for 40 s from a partition that a new consumer could read, after brokers
//! died while it was being assigned. Looks are counted and not time: a reader that waits for the journal does not
//! look.

use std::collections::BTreeMap;

use super::positions::Partition;

/// Looks, one a second, after which a partition that has not moved is taken to be stuck.
pub(super) const PATIENCE: u32 = 60;

/// How long each partition has stood still.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    still: BTreeMap<Partition, (i64, u32)>,
}

/// One look at one partition.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) partition: Partition,
    /// How far it was read or fetched.
    pub(super) reached: i64,
    /// How far it could be.
    pub(super) end: i64,
}

impl Watchdog {
    /// Takes one look at everything that is read; the partition that is stuck, if there is one.
    pub(super) fn look(&mut self, looks: &[Look]) -> Option<Partition> {
        self.still.retain(|partition, _| looks.iter().any(|look| look.partition == *partition));
        let mut stuck = None;
        for look in looks {
            let still = self.still.entry(look.partition.clone()).or_insert((look.reached, 0));
            if look.reached != still.0 || look.reached >= look.end {
                *still = (look.reached, 0);
            } else {
                still.1 += 1;
                if still.1 >= PATIENCE {
                    stuck = Some(look.partition.clone());
                }
            }
        }
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(number: i32, reached: i64, end: i64) -> Look {
        Look { partition: Partition::new("t", number), reached, end }
    }

    #[test]
    fn one_partition_that_stands_still_before_the_end_is_stuck() {
        let mut watchdog = Watchdog::default();
        for second in 0..i64::from(PATIENCE) - 1 {
            let looks = [look(0, second, 1000), look(1, 5, 6 + second), look(2, 7, 7)];
            assert_eq!(watchdog.look(&looks), None, "{second}");
        }
        let looks = [look(0, 100, 1000), look(1, 5, 1000), look(2, 7, 7)];
        assert_eq!(watchdog.look(&looks), Some(Partition::new("t", 1)));
    }

    #[test]
    fn a_step_forward_and_a_rebalance_begin_anew() {
        let mut watchdog = Watchdog::default();
        for _ in 0..PATIENCE - 1 {
            assert_eq!(watchdog.look(&[look(0, 5, 10)]), None);
        }
        assert_eq!(watchdog.look(&[look(0, 6, 10)]), None);
        for _ in 0..PATIENCE - 1 {
            assert_eq!(watchdog.look(&[look(0, 6, 10)]), None);
        }
        assert_eq!(watchdog.look(&[]), None, "given away");
        assert_eq!(watchdog.look(&[look(0, 6, 10)]), None);
    }
}
