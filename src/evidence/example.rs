//! An exchange kept for showing: redacted, bounded, text.

use crate::diff::Finding;
use crate::model::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use xxhash_rust::xxh3::xxh3_64;

/// One exchange as it is stored and shown. Redacted before it is built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    pub id: String,
    pub at: Timestamp,
    pub request: ExampleMessage,
    pub primary: ExampleMessage,
    pub candidate: ExampleMessage,
    pub differences: Vec<Finding>,
    /// What the rules that cover one of these said then, by id: once values are redacted, none can be asked about them
    /// again. None where an earlier version kept it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<Arc<str>, Arc<str>>,
}

/// A request or an answer as text, bounded. `start` is the request line, the status line, or the failure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExampleMessage {
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// Body bytes there were in all; more than `body` holds when it was cut.
    pub body_bytes: u64,
    /// Whether the body is not text and `body` is a hex dump of its beginning.
    pub binary: bool,
}

/// An example that is made, redacted that is, when somebody first looks at it: under load each takes the place of the
/// one before, and most are never looked at. What has to choose among them asks for what is known without.
#[derive(Debug)]
pub struct Exhibit {
    id: Arc<str>,
    at: Timestamp,
    /// Of its id, for a choice that nothing else has a say in.
    hash: u64,
    weight: usize,
    kind: Option<u64>,
    source: Mutex<Source>,
    example: OnceLock<Arc<Example>>,
}

type Make = Box<dyn FnOnce() -> Example + Send>;

/// What an example is made of.
enum Source {
    /// It may still be withdrawn.
    Offered(Make),
    /// Somebody counts on it.
    Claimed(Make),
    /// It was made, or withdrawn.
    Gone,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Source::Offered(_) => "Offered",
            Source::Claimed(_) => "Claimed",
            Source::Gone => "Gone",
        })
    }
}

// === impl Example ===

impl Example {
    /// Bytes it takes in memory, about.
    pub fn weight(&self) -> usize {
        let messages = [&self.request, &self.primary, &self.candidate].into_iter().map(|message| {
            let headers = message.headers.iter().map(|(name, value)| name.len() + value.len() + 48).sum::<usize>();
            message.start.len() + message.body.len() + headers
        });
        let rules = self.rules.iter().map(|(id, meaning)| id.len() + meaning.len() + 48).sum::<usize>();
        let differences = self.differences.iter().map(Finding::weight).sum::<usize>();
        size_of::<Example>() + messages.sum::<usize>() + differences + rules
    }
}

// === impl Exhibit ===

impl Exhibit {
    /// One that is made later; until then, and about as much after it, it takes `weight` bytes in memory. Whoever
    /// hands `make` over answers for it: it is to be quick, and not to panic.
    pub fn later(id: Arc<str>, at: Timestamp, weight: usize, make: impl FnOnce() -> Example + Send + 'static) -> Self {
        let source = Mutex::new(Source::Offered(Box::new(make)));
        Self { hash: xxh3_64(id.as_bytes()), id, at, weight, kind: None, source, example: OnceLock::new() }
    }

    /// `kind` is one number for all exchanges that are counted in the same rows; none where that is not known.
    pub fn of_kind(self, kind: Option<u64>) -> Self {
        Self { kind, ..self }
    }

    pub fn kind(&self) -> Option<u64> {
        self.kind
    }

    /// Lets go of what it is made of, where nobody has claimed it: a later one takes its place.
    pub fn withdraw(&self) {
        let mut source = self.source();
        let gone = match &*source {
            Source::Offered(_) => std::mem::replace(&mut *source, Source::Gone),
            Source::Claimed(_) | Source::Gone => return,
        };
        drop(source);
        drop(gone);
    }

    /// Whether it is there to be kept; from then on it is not withdrawn any more.
    pub fn claim(&self) -> bool {
        let mut source = self.source();
        *source = match std::mem::replace(&mut *source, Source::Gone) {
            Source::Offered(make) | Source::Claimed(make) => Source::Claimed(make),
            Source::Gone => return self.example.get().is_some(),
        };
        true
    }

    fn source(&self) -> MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn at(&self) -> Timestamp {
        self.at
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// Bytes it takes in memory, about.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The example, made by now; without its messages where it was withdrawn.
    pub fn example(&self) -> &Arc<Example> {
        self.example.get_or_init(|| {
            let source = std::mem::replace(&mut *self.source(), Source::Gone);
            let none = ExampleMessage::default;
            Arc::new(match source {
                Source::Offered(make) | Source::Claimed(make) => make(),
                Source::Gone => Example {
                    id: self.id.to_string(),
                    at: self.at,
                    request: none(),
                    primary: none(),
                    candidate: none(),
                    differences: Vec::new(),
                    rules: BTreeMap::new(),
                },
            })
        })
    }
}

impl From<Example> for Exhibit {
    fn from(example: Example) -> Self {
        let exhibit = Self::later(example.id.as_str().into(), example.at, example.weight(), || example);
        exhibit.example();
        exhibit
    }
}

impl Deref for Exhibit {
    type Target = Example;

    fn deref(&self) -> &Example {
        self.example()
    }
}

impl PartialEq for Exhibit {
    fn eq(&self, other: &Self) -> bool {
        self.example() == other.example()
    }
}

impl Serialize for Exhibit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.example().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Exhibit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Example::deserialize(deserializer).map(Exhibit::from)
    }
}
