use bytes::Bytes;
use natrium_model::UnixSeconds;
use natrium_wire::Headers;
use proptest::prelude::*;

use crate::message::Message;

use super::super::{Allowed, Publication, admit, deliver, on_append};
use super::*;

/// Any bytes, and blocks that are nearly right.
fn blocks() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        Just("Nats-Schedule".to_owned()),
        Just("Nats-Schedule-Time-Zone".to_owned()),
        Just("Nats-Schedule-TTL".to_owned()),
        Just("Nats-Schedule-Target".to_owned()),
        Just("Nats-Schedule-Source".to_owned()),
        Just("Nats-Schedule-Next".to_owned()),
        Just("Nats-Scheduler".to_owned()),
        Just("Nats-Rollup".to_owned()),
        "[A-Za-z-]{0,12}",
    ];
    let value = prop_oneof![
        "@at [0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{1,2}:[0-9]{2}:[0-9]{2}([.,][0-9]{0,12})?(Z|[+-][0-9]{2}:[0-9]{2})?",
        "@every [0-9]{0,20}(ns|us|ms|s|m|h)?",
        cron().prop_map(|fields| fields.text()),
        "[0-9*?/,-]{1,8}( [0-9*?/,-]{1,8}){5}",
        "(UTC|Local|Europe/Amsterdam|Pacific/Apia|America/Sao_Paulo|foo|foo[.]x|purge|sub|5s)",
        ".{0,20}",
    ];
    let lines = prop::collection::vec((name, value), 0..8).prop_map(|lines| {
        let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("NATS/1.0\r\n{lines}\r\n").into_bytes()
    });
    let cut = (lines.clone(), any::<prop::sample::Index>()).prop_map(|(mut block, at)| {
        block.truncate(at.index(block.len()));
        block
    });
    prop_oneof![4 => lines, 1 => cut, 1 => prop::collection::vec(any::<u8>(), 0..100)]
}

/// A pattern, and what it means.
#[derive(Clone, Debug)]
struct Fields {
    /// Second, minute, hour, day, month, day of the week.
    texts: Vec<String>,
    values: Vec<Vec<u32>>,
}

impl Fields {
    fn text(&self) -> String {
        self.texts.join(" ")
    }

    /// The first time after the beginning of a day, day by day. `None` if there is none in the years that are looked at.
    fn next(&self, after_days: i64) -> Option<Timestamp> {
        let [seconds, minutes, hours, days, months, weekdays] = &self.values[..] else {
            panic!("six fields")
        };
        let last_year = UnixSeconds(after_days * 86_400).civil().year + 5;
        let is_any = |at: usize| self.texts[at] == "*";
        for day in after_days.. {
            let date = UnixSeconds(day * 86_400).civil();
            if date.year > last_year {
                return None;
            }
            let is_day = days.contains(&date.day);
            // 1970-01-01 was a Thursday.
            let is_weekday = weekdays.contains(&u32::try_from((day + 4) % 7).unwrap());
            let is_either = if is_any(3) || is_any(5) { is_day && is_weekday } else { is_day || is_weekday };
            if !months.contains(&date.month) || !is_either {
                continue;
            }
            let times = hours.iter().flat_map(|hour| minutes.iter().map(move |minute| hour * 60 + minute));
            let mut times = times.flat_map(|minute| seconds.iter().map(move |second| minute * 60 + second));
            // At the beginning itself it is not after it.
            if let Some(time) = times.find(|time| day > after_days || *time > 0) {
                return Some(Timestamp((day * 86_400 + i64::from(time)) * 1_000_000_000));
            }
        }
        None
    }
}

/// Fields within their bounds.
fn cron() -> impl Strategy<Value = Fields> {
    let field = |min: u32, max: u32| {
        prop_oneof![
            Just(("*".to_owned(), (min..=max).collect::<Vec<_>>())),
            (min..=max).prop_map(|value| (value.to_string(), vec![value])),
            (min..=max, 2..9_usize).prop_map(move |(from, step)| {
                (format!("{from}/{step}"), (from..=max).step_by(step).collect())
            }),
            (min..=max, min..=max).prop_map(|(a, b)| {
                (format!("{}-{}", a.min(b), a.max(b)), (a.min(b)..=a.max(b)).collect())
            }),
        ]
    };
    (field(0, 59), field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6)).prop_map(
        |(second, minute, hour, day, month, weekday)| {
            let (texts, values) = [second, minute, hour, day, month, weekday].into_iter().unzip();
            Fields { texts, values }
        },
    )
}

proptest! {
    #[test]
    fn any_headers_are_read(headers in blocks(), time: i64, now: i64) {
        let (zones, time, now) = (Zones::bundled(), Timestamp(time), Timestamp(now));
        let allowed = Allowed { schedules: true, ttl: true, subjects: &[b">"] };
        let publication = Publication { subject: b"foo", headers: &headers, now };
        let admitted = admit(&publication, &allowed, &zones);
        let effect = on_append(Headers::new(&headers), now, now, &zones);
        let message = Message {
            seq: 1,
            timestamp: now,
            expires: None,
            due: None,
            subject: Bytes::from_static(b"foo"),
            headers: headers.clone().into(),
            payload: Bytes::new(),
        };
        // Whatever time it is, there is an answer.
        let _ = deliver(&message, time, now, None, &zones);
        let _ = on_append(Headers::new(&headers), time, now, &zones);
        let delivery = deliver(&message, now, now, None, &zones);
        // What is admitted as a schedule is one to the store, and can be delivered.
        if let Ok(admitted) = admitted {
            prop_assert_eq!(admitted.due.map(|due| due.at), effect.due);
            if admitted.due.is_some() {
                let delivery = delivery.unwrap();
                let rearmed = on_append(Headers::new(&delivery.headers), now, now, &zones);
                prop_assert_eq!(rearmed.due, None);
                prop_assert!(!rearmed.ends_schedule);
                prop_assert_eq!(rearmed.rearms.map(|rearmed| rearmed.due), delivery.next.map(|due| due.at));
            }
        }
    }

    #[test]
    fn the_next_time_is_the_first_of_the_days_to_come(fields in cron(), days in 20_000..21_000_i64) {
        let after = Timestamp(days * 86_400_000_000_000);
        let found = next(&fields.text(), None, after, after).map(|(due, _)| due.at);
        prop_assert_eq!(found.ok(), fields.next(days), "{}", fields.text());
    }
}
