//! Cuts a stream of chunks into lines, copying only what a chunk boundary tears apart.

/// A line may have so many bytes; the largest object has fewer.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The beginning of a line whose end has not come yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    torn: Vec<u8>,
}

impl Lines {
    /// Hands each line that ends in `chunk` to `take`, without its end. False when a line is longer
    /// than any line may be.
    pub(super) fn feed(&mut self, chunk: &[u8], mut take: impl FnMut(&[u8])) -> bool {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', chunk) {
            let line = chunk.get(start..end).unwrap_or_default();
            if self.torn.is_empty() {
                take(line);
            } else {
                self.torn.extend_from_slice(line);
                take(&self.torn);
                self.torn.clear();
            }
            start = end + 1;
        }
        self.torn.extend_from_slice(chunk.get(start..).unwrap_or_default());
        self.torn.len() <= LINE_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_do_not_depend_on_where_chunks_end(
            lines in proptest::collection::vec("[a-z]{0,9}", 0..20),
            sizes in proptest::collection::vec(1_usize..12, 1..20),
        ) {
            let text: Vec<u8> = lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
            let mut found = Vec::new();
            let mut reader = Lines::default();
            let mut rest = text.as_slice();
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, after) = rest.split_at((*size).min(rest.len()));
                let take = |line: &[u8]| found.push(String::from_utf8(line.to_vec()).unwrap());
                prop_assert!(reader.feed(chunk, take));
                rest = after;
            }
            prop_assert_eq!(found, lines);
        }
    }

    #[test]
    fn an_unfinished_line_is_kept_back() {
        let mut reader = Lines::default();
        assert!(reader.feed(b"abc", |_| panic!("no line has ended")));
    }
}
