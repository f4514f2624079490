//! The time, for comparison with the times in answers.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no `Clock`: it looks from outside"
)]
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is after 1970")
        .as_secs()
}

/// Seconds since 1970 in the form `20260105120000Z`.
pub fn generalized_time(secs: u64) -> String {
    let (days, second) = (secs / 86_400, secs % 86_400);
    let (mut year, mut day) = (1970, days);
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if day < length {
            break;
        }
        day -= length;
        year += 1;
    }
    let mut month = 1;
    for length in [
        31,
        if is_leap(year) { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!(
        "{year:04}{month:02}{:02}{hour:02}{minute:02}{second:02}Z",
        day + 1
    )
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[test]
fn a_leap_day_and_a_common_second() {
    assert_eq!(generalized_time(1_709_164_800), "20240229000000Z");
    assert_eq!(generalized_time(2_147_483_647), "20380119031407Z");
}
