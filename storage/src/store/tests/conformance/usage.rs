//! What streams take together.

use std::rc::Rc;

use super::case::{Case, both, plain};
use crate::disk::sim::SimDisk;
use crate::message::Limits;
use crate::store::{Admission, Store, Usage};

/// Counts the case's store and a smaller one beside it.
async fn two(case: &Case) -> (Rc<Usage>, Store<SimDisk>) {
    let usage = Rc::new(Usage::default());
    case.store().count_in(Rc::clone(&usage));
    let beside = Store::in_memory(Limits::default(), 1, 7);
    beside.count_in(Rc::clone(&usage));
    beside.append(&case.message("beside", b"it"), Admission::Checked).await.unwrap();
    (usage, beside)
}

// go: server/filestore_test.go TestFileStorePurgeMsgBlockAccounting
#[test]
fn a_usage_is_the_sum_of_its_stores_whatever_takes_messages_out() {
    let bytes = 1024 * 1024;
    let of_one = |case: &Case| case.size("foo", 0, bytes);
    let by_messages = |limits: &mut Limits, _| limits.max_messages = Some(1);
    let by_bytes = |limits: &mut Limits, one| limits.max_bytes = Some(one);
    for limit in [by_messages as fn(&mut Limits, u64), by_bytes] {
        both(
            |_| {},
            async |case| {
                let (usage, beside) = two(case).await;
                let rest = beside.state().await.unwrap().bytes;
                case.fill(10, "foo", vec![7; bytes]).await;
                assert_eq!(usage.bytes(), case.state().await.bytes + rest);
                let mut limits = Limits::default();
                limit(&mut limits, of_one(case));
                case.store().set_limits(limits).await.unwrap();
                assert_eq!(case.state().await.bytes, of_one(case));
                assert_eq!(usage.bytes(), of_one(case) + rest);
                case.put("foo", vec![8; bytes]).await;
                assert_eq!(usage.bytes(), of_one(case) + rest);
                case.purge_all().await;
                assert_eq!(usage.bytes(), rest);
                drop(beside);
                assert_eq!(usage.bytes(), 0);
            },
        );
    }
}

#[test]
fn a_store_is_counted_once_and_while_it_is_there() {
    plain(
        |_| {},
        async |case| {
            let (first, beside) = two(case).await;
            case.fill(3, "foo", "x").await;
            let second = Rc::new(Usage::default());
            case.store().count_in(Rc::clone(&second));
            case.store().count_in(Rc::clone(&second));
            assert_eq!(second.bytes(), 3 * case.size("foo", 0, 1));
            assert_eq!(first.bytes(), beside.state().await.unwrap().bytes);
            case.remove(2).await;
            assert_eq!(second.bytes(), 2 * case.size("foo", 0, 1));
            case.stop().await;
            assert_eq!(second.bytes(), 0, "it is put away");
            case.start().await;
            case.store().count_in(Rc::clone(&second));
            assert_eq!(second.bytes(), 2 * case.size("foo", 0, 1), "recovered");
        },
    );
}
