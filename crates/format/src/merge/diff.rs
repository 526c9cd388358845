//! How one list became another: which elements stayed, which were changed in place, which went, which came and where.

use std::ops::Range;

/// What became of an element of the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is the element at that place now, unchanged.
    Kept(usize),
    /// The element at that place stands where it stood.
    Changed(usize),
    /// It is gone.
    Removed,
}

/// One side's way from the base.
#[derive(Debug)]
pub(super) struct Edits {
    /// Of each element of the base.
    pub(super) fates: Vec<Fate>,
    /// New elements before each element of the base, and, last, after all of them.
    pub(super) added: Vec<Range<usize>>,
}

/// Beyond that many differences what differs is taken as changed in place; time and memory stay bounded.
const MOST_DIFFERENCES: usize = 400;

/// Compares lists of these lengths; `same` tells whether an element of the base and one of the other list are equal.
pub(super) fn diff(base: usize, other: usize, same: impl Fn(usize, usize) -> bool) -> Edits {
    let mut head = 0;
    while head < base.min(other) && same(head, head) {
        head += 1;
    }
    let mut tail = 0;
    while tail < base.min(other) - head && same(base - 1 - tail, other - 1 - tail) {
        tail += 1;
    }
    let mut pairs: Vec<(usize, usize)> = (0..head).map(|at| (at, at)).collect();
    let inner = myers(base - head - tail, other - head - tail, |a, b| same(a + head, b + head));
    pairs.extend(inner.into_iter().map(|(a, b)| (a + head, b + head)));
    pairs.extend((0..tail).rev().map(|at| (base - 1 - at, other - 1 - at)));
    edits(base, other, &pairs)
}

/// Turns pairs of equal elements into edits. Between two pairs, what is gone and what is new is paired off in order as
/// changed in place; the rest went or came.
fn edits(base: usize, other: usize, pairs: &[(usize, usize)]) -> Edits {
    let mut fates = Vec::with_capacity(base);
    let mut added = vec![0..0; base + 1];
    let mut new = 0;
    for (a, b) in pairs.iter().copied().chain([(base, other)]) {
        while fates.len() < a {
            fates.push(if new < b { Fate::Changed(new) } else { Fate::Removed });
            new = b.min(new + 1);
        }
        added[a] = new..b;
        if a < base {
            fates.push(Fate::Kept(b));
        }
        new = b + 1;
    }
    Edits { fates, added }
}

/// Pairs of equal elements, as many as a shortest edit script leaves (Myers' greedy algorithm), in order.
fn myers(n: usize, m: usize, same: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
    if n == 0 || m == 0 {
        return Vec::new();
    }
    let most = (n + m).min(MOST_DIFFERENCES);
    // Furthest place in the base reached on each diagonal, by number of differences.
    let mut steps: Vec<Vec<usize>> = Vec::new();
    let mut reached = vec![0usize; 2 * most + 3];
    let middle = most + 1;
    for d in 0..=most {
        for k in (0..=d).map(|i| middle + 2 * i - d) {
            let down = k == middle - d || (k != middle + d && reached[k - 1] < reached[k + 1]);
            let mut x = if d == 0 {
                0
            } else if down {
                reached[k + 1]
            } else {
                reached[k - 1] + 1
            };
            // On diagonals beyond the lists' ends there is nothing to compare.
            while x < n && x + middle >= k && x + middle - k < m && same(x, x + middle - k) {
                x += 1;
            }
            reached[k] = x;
            if x >= n && x + middle >= k + m {
                steps.push(reached[middle - d..=middle + d].to_vec());
                return trace(n, m, &steps);
            }
        }
        steps.push(reached[middle - d..=middle + d].to_vec());
    }
    Vec::new()
}

/// Walks back through the recorded steps; `steps[d]` holds the diagonals from -d to d.
fn trace(n: usize, m: usize, steps: &[Vec<usize>]) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    let (mut x, mut y) = (n as isize, m as isize);
    for d in (1..steps.len() as isize).rev() {
        let before = |k: isize| steps[d as usize - 1].get((k + d - 1) as usize).map_or(-1, |x| *x as isize);
        let k = x - y;
        let down = k == -d || (k != d && before(k - 1) < before(k + 1));
        let from_k = if down { k + 1 } else { k - 1 };
        let from_x = before(from_k);
        let from_y = from_x - from_k;
        let start_x = if down { from_x } else { from_x + 1 };
        while x > start_x {
            x -= 1;
            y -= 1;
            pairs.push((x as usize, y as usize));
        }
        (x, y) = (from_x, from_y);
    }
    while x > 0 {
        x -= 1;
        pairs.push((x as usize, x as usize));
    }
    pairs.reverse();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(base: &[u8], other: &[u8]) -> Edits {
        diff(base.len(), other.len(), |a, b| base[a] == other[b])
    }

    #[test]
    fn a_shifted_queue_is_seen_as_one_removal_and_one_addition() {
        let edits = of(b"abcdefgh", b"bcdefghi");
        assert_eq!(edits.fates[0], Fate::Removed);
        assert_eq!(edits.fates[1..], (0..7).map(Fate::Kept).collect::<Vec<_>>());
        assert_eq!(edits.added[8], 7..8);
    }

    #[test]
    fn an_element_written_over_is_seen_as_changed() {
        let edits = of(b"abc", b"axcd");
        assert_eq!(edits.fates, [Fate::Kept(0), Fate::Changed(1), Fate::Kept(2)]);
        assert_eq!(edits.added[3], 3..4);
    }

    /// Length of the longest common subsequence, the slow and certain way.
    fn longest(a: &[u8], b: &[u8]) -> usize {
        let mut row = vec![0; b.len() + 1];
        for x in a {
            let mut diagonal = 0;
            for (at, y) in b.iter().enumerate() {
                let above = row[at + 1];
                row[at + 1] = if x == y { diagonal + 1 } else { above.max(row[at]) };
                diagonal = above;
            }
        }
        row[b.len()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn every_element_is_accounted_for_once_and_as_many_as_possible_stay(
            base in prop::collection::vec(0u8..4, 0..24), other in prop::collection::vec(0u8..4, 0..24)
        ) {
            let edits = of(&base, &other);
            let mut places = Vec::new();
            let mut kept = 0;
            for (at, added) in edits.added.iter().enumerate() {
                places.extend(added.clone());
                match edits.fates.get(at) {
                    Some(Fate::Kept(place)) => { prop_assert_eq!(base[at], other[*place]); kept += 1; places.push(*place); }
                    Some(Fate::Changed(place)) => places.push(*place),
                    _ => {}
                }
            }
            prop_assert_eq!(places, (0..other.len()).collect::<Vec<_>>());
            prop_assert_eq!(kept, longest(&base, &other));
        }
    }
}
