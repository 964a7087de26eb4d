//! Whether neighbours in time resemble each other: the lag-1 autocorrelation of block means, from a few sums.

use serde::{Deserialize, Serialize};

/// Sums over a series of block means, told by the number of the block. Blocks without observations may be missing;
/// only those that follow each other directly are neighbours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Serial {
    n: u64,
    sum: f64,
    squares: f64,
    neighbours: u64,
    /// Over pairs of neighbours: of their products, and of both together.
    products: f64,
    both: f64,
    last: Option<(u64, f64)>,
}

// === impl Serial ===

impl Serial {
    /// The mean of the block of that number; numbers grow.
    pub fn add(&mut self, number: u64, x: f64) {
        if let Some((before, y)) = self.last
            && before.checked_add(1) == Some(number)
        {
            self.neighbours += 1;
            self.products += x * y;
            self.both += x + y;
        }
        self.n += 1;
        self.sum += x;
        self.squares += x * x;
        self.last = Some((number, x));
    }

    /// Pools the sums of another series; the one that ended later goes on.
    pub fn merge(&mut self, other: &Serial) {
        self.n += other.n;
        self.sum += other.sum;
        self.squares += other.squares;
        self.neighbours += other.neighbours;
        self.products += other.products;
        self.both += other.both;
        let later = |a: &(u64, f64), b: &(u64, f64)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1));
        self.last = self.last.into_iter().chain(other.last).max_by(later);
    }

    /// The mean of the block means; `None` without any.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }

    /// The usual estimate `sum (x_t - m)(x_(t-1) - m) / sum (x_t - m)^2` (Box and Jenkins 1970), scaled up where
    /// neighbours are missing; 0 where nothing varies or nothing has a neighbour.
    ///
    /// An estimate, off by about `1 / sqrt(n)`.
    pub fn lag_one(&self) -> f64 {
        let Some(mean) = self.mean().filter(|_| self.neighbours > 0) else { return 0.0 };
        let spread = self.spread();
        if spread <= 0.0 {
            return 0.0;
        }
        let k = self.neighbours as f64;
        let together = self.products - mean * self.both + k * mean * mean;
        (together / spread * (self.n - 1) as f64 / k).clamp(-1.0, 1.0)
    }

    /// The standard error of the mean when neighbours resemble each other by `r` and those further apart accordingly less
    /// (a first-order autoregression): `s / sqrt(n) sqrt((1 + r) / (1 - r))` (Bartlett 1946).
    ///
    /// An estimate, which decides only whether blocks are too short.
    pub fn standard_error(&self) -> f64 {
        if self.n == 0 {
            return f64::INFINITY;
        }
        let n = self.n as f64;
        let r = self.lag_one().clamp(0.0, 0.99);
        (self.spread() / n / n * (1.0 + r) / (1.0 - r)).sqrt()
    }

    /// Whether every number makes sense; what was kept may not.
    pub fn is_sound(&self) -> bool {
        let last = self.last.map_or(0.0, |(_, x)| x);
        let all = [self.sum, self.squares, self.products, self.both, last];
        all.iter().all(|x| x.is_finite()) && self.neighbours <= self.n
    }

    /// Sum of squares about the mean. What rounding leaves of nothing is nothing.
    fn spread(&self) -> f64 {
        let mean = self.mean().unwrap_or(0.0);
        let spread = self.squares - self.sum * mean;
        if spread > 1e-12 * self.squares { spread } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(xs: &[f64]) -> Serial {
        let mut serial = Serial::default();
        xs.iter().enumerate().for_each(|(i, x)| serial.add(i as u64, *x));
        serial
    }

    #[test]
    fn it_is_the_usual_estimate() {
        let xs = [0.1, 0.4, 0.35, 0.9, 0.2, 0.25, 0.7];
        let mean = xs.iter().sum::<f64>() / xs.len() as f64;
        let spread: f64 = xs.iter().map(|x| (x - mean).powi(2)).sum();
        let together: f64 = xs.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum();
        assert!((of(&xs).lag_one() - together / spread).abs() < 1e-12);
        assert!((of(&xs).mean().unwrap() - mean).abs() < 1e-12);
    }

    #[test]
    fn waves_are_seen_and_constants_and_gaps_are_none() {
        let wave: Vec<f64> = (0..60).map(|i| if i / 10 % 2 == 0 { 0.9 } else { 0.1 }).collect();
        assert!(of(&wave).lag_one() > 0.7);
        let zigzag: Vec<f64> = (0..60).map(|i| f64::from(i % 2)).collect();
        assert!(of(&zigzag).lag_one() < -0.9);
        assert_eq!((of(&[0.3; 50]).lag_one(), of(&[]).lag_one(), of(&[0.3; 50]).standard_error()), (0.0, 0.0, 0.0));
        let mut apart = Serial::default();
        wave.iter().enumerate().for_each(|(i, x)| apart.add(2 * i as u64, *x));
        assert_eq!(apart.lag_one(), 0.0);
        let mut both = of(&wave[..30]);
        both.merge(&of(&wave[30..]));
        assert!(both.lag_one() > 0.7 && both.is_sound());
    }
}
