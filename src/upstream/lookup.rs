//! The addresses of a leg's name. Looking names up blocks a thread, for as long as the resolver pleases: a leg has one
//! such thread at most, outside of any pool that others need, and what it found serves all who ask for a while.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::timeout;

/// An answer is used for so long.
const FRESH: Duration = Duration::from_secs(5);

/// A lookup that takes longer is not waited for where an older answer is known.
const PATIENCE: Duration = Duration::from_millis(500);

type Found = Result<Arc<[SocketAddr]>, Arc<io::Error>>;
type Resolve = dyn Fn() -> io::Result<Vec<SocketAddr>> + Send + Sync;

pub(super) struct Lookup {
    /// An address needs no lookup.
    literal: Option<Arc<[SocketAddr]>>,
    resolve: Arc<Resolve>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The last answer that was one, and until when it needs no other.
    good: Option<(Arc<[SocketAddr]>, Instant)>,
    flight: Option<Flight>,
}

#[derive(Debug, Clone)]
struct Flight {
    started: Instant,
    landed: watch::Receiver<Option<Found>>,
}

// === impl Lookup ===

impl Lookup {
    pub(super) fn new(host: &str, port: u16) -> Self {
        let name = host.to_owned();
        let resolve = move || Ok((name.as_str(), port).to_socket_addrs()?.collect());
        let literal = host.parse::<IpAddr>().ok().map(|ip| Arc::from([SocketAddr::new(ip, port)]));
        Self { literal, resolve: Arc::new(resolve), state: Arc::default() }
    }

    /// Waits for as long as it takes, unless there is an older answer to fall back upon.
    pub(super) async fn addresses(&self) -> Found {
        if let Some(literal) = &self.literal {
            return Ok(literal.clone());
        }
        let (known, mut flight) = {
            let mut state = self.lock();
            match &state.good {
                Some((good, until)) if Instant::now() < *until => return Ok(good.clone()),
                known => (known.as_ref().map(|(good, _)| good.clone()), self.flight(&mut state)?),
            }
        };
        let landed = async { flight.landed.wait_for(Option::is_some).await.ok().and_then(|found| found.clone()) };
        match known {
            None => landed.await.unwrap_or_else(|| Err(Arc::new(io::Error::other("the lookup was cancelled")))),
            Some(known) => match timeout(PATIENCE.saturating_sub(flight.started.elapsed()), landed).await {
                Ok(Some(Ok(found))) => Ok(found),
                _ => Ok(known),
            },
        }
    }

    /// Nobody answered at these addresses: the next one who asks looks again.
    pub(super) fn doubt(&self) {
        if let Some((_, until)) = &mut self.lock().good {
            *until = Instant::now();
        }
    }

    /// The lookup under way, or a new one.
    fn flight(&self, state: &mut State) -> Result<Flight, Arc<io::Error>> {
        // A sender that is gone belonged to a thread that panicked.
        if let Some(flight) = state.flight.as_ref().filter(|flight| flight.landed.has_changed().is_ok()) {
            return Ok(flight.clone());
        }
        let (land, landed) = watch::channel(None);
        let (resolve, shared) = (self.resolve.clone(), self.state.clone());
        let look = move || {
            let found = resolve().map(Arc::from).map_err(Arc::new);
            let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
            if let Ok(found) = &found {
                state.good = Some((Arc::clone(found), Instant::now() + FRESH));
            }
            state.flight = None;
            drop(state);
            land.send_replace(Some(found));
        };
        std::thread::Builder::new().name("lookup".to_owned()).spawn(look).map_err(Arc::new)?;
        let flight = Flight { started: Instant::now(), landed };
        state.flight = Some(flight.clone());
        Ok(flight)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Lookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lookup").field("literal", &self.literal).field("state", &self.state).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{self, Sender};

    type Answer = io::Result<Vec<SocketAddr>>;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 80))
    }

    /// A resolver that answers when it is told what, and counts how often it was asked.
    fn told() -> (Arc<Lookup>, Sender<Answer>, Arc<AtomicUsize>) {
        let (tell, answers) = mpsc::channel::<Answer>();
        let (answers, asked) = (Mutex::new(answers), Arc::new(AtomicUsize::new(0)));
        let count = asked.clone();
        let resolve = move || {
            count.fetch_add(1, Ordering::SeqCst);
            answers.lock().unwrap().recv().map_err(io::Error::other)?
        };
        (Arc::new(Lookup { literal: None, resolve: Arc::new(resolve), state: Arc::default() }), tell, asked)
    }

    #[tokio::test]
    async fn many_who_ask_at_once_share_one_thread_and_its_answer() {
        let (lookup, tell, asked) = told();
        let asking: Vec<_> = (0..50)
            .map(|_| {
                let lookup = lookup.clone();
                tokio::spawn(async move { lookup.addresses().await })
            })
            .collect();
        tokio::task::yield_now().await;
        tell.send(Ok(vec![address(1)])).unwrap();
        for asking in asking {
            assert_eq!(*asking.await.unwrap().unwrap(), [address(1)]);
        }
        assert_eq!(*lookup.addresses().await.unwrap(), [address(1)]);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_lookup_that_hangs_holds_up_nobody_else() {
        // Blocking work of others goes on although nobody ever answers and everybody asks.
        let (lookup, _tell, asked) = told();
        for _ in 0..1000 {
            assert!(timeout(Duration::ZERO, lookup.addresses()).await.is_err());
        }
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        assert!(asked.load(Ordering::SeqCst) <= 1);
    }

    #[tokio::test]
    async fn the_last_good_answer_stands_in_for_a_failed_or_hanging_lookup() {
        let (lookup, tell, asked) = told();
        tell.send(Ok(vec![address(1)])).unwrap();
        lookup.addresses().await.unwrap();
        lookup.doubt();
        tell.send(Err(io::Error::other("SERVFAIL"))).unwrap();
        assert_eq!(*lookup.addresses().await.unwrap(), [address(1)]);
        // It was not taken for a new answer: the next lookup hangs, and its answer is used once it is there.
        assert_eq!(*lookup.addresses().await.unwrap(), [address(1)]);
        assert_eq!(asked.load(Ordering::SeqCst), 3);
        let mut flight = lookup.lock().flight.clone().unwrap();
        tell.send(Ok(vec![address(2)])).unwrap();
        flight.landed.wait_for(Option::is_some).await.unwrap();
        assert_eq!(*lookup.addresses().await.unwrap(), [address(2)]);
    }

    #[tokio::test]
    async fn without_an_answer_the_failure_is_told_and_not_kept() {
        let (lookup, tell, _) = told();
        tell.send(Err(io::Error::other("NXDOMAIN"))).unwrap();
        assert_eq!(lookup.addresses().await.unwrap_err().to_string(), "NXDOMAIN");
        tell.send(Ok(vec![address(1)])).unwrap();
        assert_eq!(*lookup.addresses().await.unwrap(), [address(1)]);
    }

    #[tokio::test]
    async fn addresses_are_not_looked_up() {
        for (host, expected) in [("10.0.0.1", "10.0.0.1:80"), ("::1", "[::1]:80")] {
            let found = Lookup::new(host, 80);
            assert_eq!(*found.addresses().await.unwrap(), [expected.parse().unwrap()]);
            assert!(found.lock().good.is_none() && found.lock().flight.is_none());
        }
    }
}
