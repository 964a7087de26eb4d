//! How many exchanges may wait for one leg's answers at once: few until it answers, so that a leg which never does
//! takes hardly any connections and processor time from users. Each answer makes room for more.
//!
//! Who finds no room waits for it in order of arrival. How many may wait is not decided here.

use super::breaker::THRESHOLD;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Exchanges at once for a leg that has answered nobody.
const START: usize = 24;
// The places of those who failed stay empty: there have to be enough of them to open the breaker.
const _: () = assert!(START > THRESHOLD as usize);
/// What an answer makes room for while most of the room is taken: a leg that is slow, and not dead, gets as many as it
/// needs as soon as its first answers are there.
const GROWTH: usize = 63;

#[derive(Debug)]
pub struct Window {
    places: Semaphore,
    /// Places there are, taken or not.
    size: AtomicUsize,
}

/// One exchange's, until it is dropped.
#[derive(Debug)]
pub struct Place<'a> {
    window: &'a Window,
    permit: SemaphorePermit<'a>,
}

// === impl Window ===

impl Default for Window {
    fn default() -> Self {
        Self { places: Semaphore::new(START), size: AtomicUsize::new(START) }
    }
}

impl Window {
    /// A place, where one is free and nobody waits for it.
    pub fn enter(&self) -> Option<Place<'_>> {
        let permit = self.places.try_acquire().ok()?;
        Some(Place { window: self, permit })
    }

    /// The next place that nobody else has waited for longer.
    pub async fn wait(&self) -> Option<Place<'_>> {
        let permit = self.places.acquire().await.ok()?;
        Some(Place { window: self, permit })
    }

    fn grow(&self, by: usize) {
        self.size.fetch_add(by, Ordering::Relaxed);
        self.places.add_permits(by);
    }
}

// === impl Place ===

impl Place<'_> {
    /// The leg has answered this exchange, or begun what need not end.
    pub fn answered(&self) {
        let size = self.window.size.load(Ordering::Relaxed);
        if size < START {
            self.window.grow(START - size);
        } else if self.window.places.available_permits() <= size / 2 {
            self.window.grow(GROWTH);
        }
    }

    /// The leg has failed this exchange. Its place stays empty until an answer comes, or the leg is `given_up`: those who
    /// wait are not sent after it. Then what there was at first is there again.
    pub fn failed(self, given_up: bool) {
        let size = self.window.size.load(Ordering::Relaxed);
        if given_up && size <= START {
            self.window.grow(START - size);
        } else {
            self.window.size.fetch_sub(1, Ordering::Relaxed);
            self.permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    fn all(window: &Window) -> Vec<Place<'_>> {
        std::iter::from_fn(|| window.enter()).collect()
    }

    fn poll<'a>(wait: Pin<&mut impl Future<Output = Option<Place<'a>>>>) -> Option<Place<'a>> {
        match wait.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => place,
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_leg_that_answers_nobody_is_asked_by_few() {
        let window = Window::default();
        let mut taken = all(&window);
        assert_eq!(taken.len(), START);
        drop(taken.pop());
        assert!(window.enter().is_some(), "its place is the next one's");
    }

    #[test]
    fn the_first_answers_of_a_slow_leg_make_room_for_all_who_wait() {
        let window = Window::default();
        let taken = all(&window);
        let mut waiting: Vec<_> = (0..960).map(|_| Box::pin(window.wait())).collect();
        assert!(waiting.iter_mut().all(|wait| poll(wait.as_mut()).is_none()));
        taken.iter().for_each(Place::answered);
        let places: Vec<_> = waiting.iter_mut().map(|wait| poll(wait.as_mut())).collect();
        assert!(places.iter().all(Option::is_some), "{window:?}");
    }

    #[test]
    fn a_leg_that_keeps_up_needs_no_more() {
        let window = Window::default();
        for _ in 0..1000 {
            let some: Vec<_> = (0..START / 4).filter_map(|_| window.enter()).collect();
            some.iter().for_each(Place::answered);
        }
        assert_eq!(all(&window).len(), START);
    }

    #[test]
    fn nobody_is_sent_after_those_who_failed_until_it_is_clear_what_became_of_the_leg() {
        let window = Window::default();
        let mut taken = all(&window);
        for place in taken.drain(..10) {
            place.failed(false);
        }
        assert!(window.enter().is_none());
        taken.pop().unwrap().answered();
        taken.extend(all(&window));
        assert_eq!(taken.len(), START, "an answer brings their places back");
        for place in taken.drain(..19) {
            place.failed(false);
        }
        assert!(window.enter().is_none());
        taken.pop().unwrap().failed(true);
        assert_eq!(all(&window).len(), 20, "and so does giving up");
    }

    #[test]
    fn a_leg_that_has_died_begins_anew() {
        let window = Window::default();
        let mut taken = all(&window);
        for _ in 0..10 {
            taken.iter().for_each(Place::answered);
            taken.extend(all(&window));
        }
        assert!(taken.len() > 2 * START);
        for place in taken {
            place.failed(true);
        }
        assert_eq!(all(&window).len(), START);
    }

    #[test]
    fn those_who_wait_get_in_by_order_of_arrival_and_before_those_who_come() {
        let window = Window::default();
        let mut taken = all(&window);
        let (mut first, mut second) = (pin!(window.wait()), pin!(window.wait()));
        assert!(poll(first.as_mut()).is_none() && poll(second.as_mut()).is_none());
        drop(taken.pop());
        assert!(window.enter().is_none());
        assert!(poll(second.as_mut()).is_none());
        assert!(poll(first.as_mut()).is_some());
    }
}
