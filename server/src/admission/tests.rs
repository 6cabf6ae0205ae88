//! Whose turn it is, and what becomes of those who leave.

use futures::{FutureExt, pin_mut};

use super::*;

fn admission(heavy_max: usize, queued_max: usize, queue_timeout: Duration) -> Admission {
    Admission::new(AdmissionConfig { heavy_max, queued_max, queue_timeout, ..AdmissionConfig::default() })
}

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn the_urgent_come_first_and_of_those_the_first() {
    let admission = admission(1, 10, LONG);
    let running = admission.admit(Lane::Heavy, Priority::Low).await.unwrap();
    let low = admission.admit(Lane::Heavy, Priority::Low);
    let first = admission.admit(Lane::Heavy, Priority::High);
    let second = admission.admit(Lane::Heavy, Priority::High);
    pin_mut!(low, first, second);
    assert!(low.as_mut().now_or_never().is_none());
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!(admission.counts(), (1, 3));
    drop(running);
    assert!(low.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    drop(first.await.unwrap());
    drop(second.await.unwrap());
    drop(low.await.unwrap());
    assert_eq!(admission.counts(), (0, 0));
}

#[tokio::test]
async fn light_queries_do_not_wait_for_heavy_ones() {
    let admission = admission(1, 0, LONG);
    let _heavy = admission.admit(admission.lane(None), Priority::Normal).await.unwrap();
    let _light = admission.admit(admission.lane(Some(1 << 20)), Priority::Normal).await.unwrap();
    let refused = admission.admit(admission.lane(Some(1 << 30)), Priority::High).await.unwrap_err();
    assert_eq!(refused.to_string(), "1 queries run and 0 wait; ask again in 1 s");
}

#[tokio::test]
async fn who_leaves_the_line_passes_the_place_on() {
    let admission = admission(1, 10, LONG);
    let running = admission.admit(Lane::Heavy, Priority::Normal).await.unwrap();
    let mut gone = Box::pin(admission.admit(Lane::Heavy, Priority::Normal));
    let mut late = Box::pin(admission.admit(Lane::Heavy, Priority::Normal));
    assert!(gone.as_mut().now_or_never().is_none());
    assert!(late.as_mut().now_or_never().is_none());
    // The place is given to one who does not look any more.
    drop(running);
    drop(gone);
    drop(late.await.unwrap());
    assert_eq!(admission.counts(), (0, 0));
}

#[tokio::test]
async fn waiting_ends_and_leaves_no_trace() {
    let admission = admission(1, 1, Duration::from_millis(1));
    let _running = admission.admit(Lane::Heavy, Priority::Normal).await.unwrap();
    let refused = admission.admit(Lane::Heavy, Priority::Normal).await.unwrap_err();
    assert_eq!(refused.retry_after, Duration::from_secs(5));
    // The one that gave up does not count any more.
    let refused = admission.admit(Lane::Heavy, Priority::Normal).await.unwrap_err();
    assert_eq!(refused.retry_after, Duration::from_secs(5));
}
