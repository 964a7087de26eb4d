//! Two answers of any look without rules.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parallax::diff::RouteRules;
use parallax_fuzz::{Pair, check};

fuzz_target!(|pair: Pair| check(&RouteRules::none(), pair.method, &pair.primary, &pair.candidate));
