//! "Did you mean": the known word nearest to a mistyped one.

/// The word among `known` that `typed` was probably meant to be: at most a third of its letters
/// differ (two in `adress`, transposed neighbours counting as one), `-` and `_` being equal.
pub(super) fn near_miss<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let typed = typed.to_lowercase().replace('-', "_");
    known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(&typed, word), *word))
        .filter(|(distance, word)| *distance <= (word.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_words_find_their_neighbour() {
        let known = ["listen", "limits", "issuer", "state_dir"];
        for (typed, meant) in [
            ("lisen", Some("listen")),
            ("lsiten", Some("listen")),
            ("Issuers", Some("issuer")),
            ("state-dir", Some("state_dir")),
            ("limit", Some("limits")),
            ("crl", None),
            ("", None),
        ] {
            assert_eq!(near_miss(typed, &known), meant, "{typed}");
        }
    }
}
