//! Rules of any look: they are refused with a message, or they compile and a comparison under them holds what it must.
#![no_main]

use libfuzzer_sys::arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use parallax::diff::RuleSet;
use parallax_fuzz::{Pair, check, rule};

fuzz_target!(|bytes: &[u8]| {
    let mut u = Unstructured::new(bytes);
    let mut read = || {
        let n = u.int_in_range(1..=3)?;
        let rules = (0..n).map(|i| rule(&mut u, i)).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, libfuzzer_sys::arbitrary::Error>((rules, Pair::arbitrary(&mut u)?))
    };
    let Ok((rules, pair)) = read() else { return };
    match RuleSet::compile(&rules) {
        Err(errors) => assert!(errors.iter().all(|e| !e.message.is_empty() && e.index < rules.len())),
        Ok(set) => {
            let route = set.for_route("GET /", "2026-01-01");
            check(&route, pair.method, &pair.primary, &pair.candidate);
        }
    }
});
