//! Retired words: those that once had several meanings here, or that a reader has to guess.

use crate::source::{File, Line, Tree, is_word, tree};
use crate::{Violation, expect_none};

/// A phrase that is not written any more.
struct Retired {
    /// Words and their forms: `x?` is optional, `(x|y)` is one of both, a space is also `_` or `-`,
    /// and `^` is the beginning of a sentence. It matches whole words, which also end where
    /// `CamelCase` has its humps. With a capital letter it matches that case only.
    pattern: &'static str,
    instead: &'static str,
    /// The beginning of the paths below `src` where it is retired; empty for all.
    within: &'static str,
    /// The paths below `src` where it may stand, each with the reason.
    allowed: &'static [(&'static str, &'static str)],
}

const fn retired(pattern: &'static str, instead: &'static str) -> Retired {
    Retired {
        pattern,
        instead,
        within: "",
        allowed: &[],
    }
}

const RETIRED: &[Retired] = &[
    // Names, and the words around them.
    retired("residents?", "worker"),
    Retired {
        pattern: "guests?",
        instead: "foreign thread",
        within: "",
        allowed: &[("sync/queue/basic.rs", "an example with cooks and guests")],
    },
    retired("threads? of the pool", "worker"),
    retired("lanes?", "local queue (LocalQueue)"),
    retired(
        "(stands?|stood|standing) in (the |a )?line",
        "wait in the queue, join the queue",
    ),
    retired("head of (the |a )?line", "head of the queue"),
    retired("shells?", "tombstone"),
    retired(
        "vacanc(y|ies)",
        "reserved slot (ReservedSlot); the adjective is vacant",
    ),
    retired("(in|out of|into) the game", "enabled, disabled"),
    retired("extra ends?", "counted reference (TaskRef)"),
    retired("Remote", "RawTask"),
    retired("Pass", "CapacityPermit"),
    retired("Gate", "Capacity (admission), StartLatch (scope)"),
    retired("Origin", "PoolLink"),
    Retired {
        pattern: "call(s|ed|ing)? off",
        instead: "request cancel (request_cancel, CancelRequest)",
        within: "",
        allowed: &[
            ("trampoline.rs", "it puts calls off"),
            ("wait.rs", "a poll may have put calls off"),
        ],
    },
    retired("(run|runs|ran|running) in place", "run inline (run_inline)"),
    retired(
        "look(s|ed|ing)? around",
        "search (worker), check_quiescence (pool)",
    ),
    retired("quiet", "quiescent"),
    retired("hopeful", "spin_pays"),
    retired("(see|sees|saw|seen|seeing) off", "join (a thread)"),
    retired("rings? of joins", "cycle in the wait-for graph"),
    Retired {
        pattern: "heaps?",
        instead: "bucket (Bucket)",
        within: "timer/",
        allowed: &[],
    },
    Retired {
        pattern: "patience",
        instead: "starve_after",
        within: "sync/",
        allowed: &[],
    },
    retired("nudg(e|es|ed|ing)", "wake to retry"),
    retired("hungry", "STARVING"),
    // English that is guessed at.
    retired("by and by", "gradually"),
    retired("as of a moment ago", "a snapshot, may be stale"),
    retired(
        "so (many|much|long)",
        "n, that many, the given number of, as long as",
    ),
    retired("but for", "except"),
    retired("system would not", "the system refused, failed to"),
    retired("for ever", "forever"),
    retired(
        "(as|like) above",
        "say it in full: a doc comment is read alone, in a tooltip",
    ),
    retired(
        "as by",
        "say it in full: a doc comment is read alone, in a tooltip",
    ),
    retired(
        "^The same",
        "say it in full: a doc comment is read alone, in a tooltip",
    ),
    retired("^Tells", "Returns `true` if …, Returns …"),
    retired("^Gives", "Returns …, Hands …, or the verb that is meant"),
    retired("^Says", "Returns …, Notes …"),
    retired("^Lets", "Enables …, Allows …, or the verb itself"),
    retired("^Has", "Calls …, or the verb that is meant"),
    retired("^Who", "a noun: the thread that …, the caller …"),
    retired("^What", "a noun: the task that …, the value that …"),
    retired("whoever", "a noun: the thread that …, the caller …"),
    retired("(one|ones) who", "a noun: the thread that …, the caller …"),
];

/// A file's words, in which a phrase may go on from one line of a comment to the next.
#[derive(Default)]
struct Text {
    /// With spaces for `_` and `-`. Lines of code and paragraphs of comments begin after `\n`.
    spaced: String,
    /// The same in small letters.
    lower: String,
    /// For each line, the index of its first byte and its number.
    lines: Vec<(usize, usize)>,
}

/// No retired word stands in `src`, in code, strings or comments.
fn retired_words(tree: &Tree) -> Vec<Violation> {
    let patterns: Vec<_> = RETIRED.iter().map(|it| (it, forms(it.pattern))).collect();
    let mut violations = Vec::new();
    for file in tree.src() {
        let text = Text::of(file);
        for (retired, forms) in &patterns {
            let mut allowed = retired.allowed.iter();
            let path = file.room_path();
            if !path.starts_with(retired.within) || allowed.any(|(it, _)| *it == path) {
                continue;
            }
            for (at, form) in text.found(forms) {
                let word = &text.spaced[at..at + form.len()];
                let what = format!("`{word}`: write {}", retired.instead);
                violations.push(Violation::new(&file.path, text.line(at), what));
            }
        }
    }
    violations
}

/// Returns all texts that the pattern stands for.
fn forms(pattern: &str) -> Vec<String> {
    let mut forms = vec![String::new()];
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let group = rest.strip_prefix('(').and_then(|it| it.split_once(')'));
        let (choices, after) = match group {
            Some((list, after)) => (list.split('|').collect(), after),
            None => (vec![&rest[..first.len_utf8()]], &rest[first.len_utf8()..]),
        };
        let optional = after.strip_prefix('?');
        rest = optional.unwrap_or(after);
        let without = optional.is_some().then_some("");
        let choices = choices.into_iter().chain(without);
        forms = choices
            .flat_map(|choice| forms.iter().map(move |form| format!("{form}{choice}")))
            .collect();
    }
    forms
}

/// Returns `true` if no word goes on across the index.
fn is_boundary(text: &str, at: usize) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at..].chars().next();
    let (Some(before), Some(after)) = (before, after) else {
        return true;
    };
    let is_hump = before.is_lowercase() && after.is_uppercase();
    !is_word(before) || !is_word(after) || is_hump
}

/// Returns `true` if a sentence begins behind the text.
fn begins_sentence(before: &str) -> bool {
    let text = before.trim_end_matches([' ', '*', '(']);
    text.is_empty() || text.ends_with(['\n', '.', '!', '?'])
}

/// Returns the marker of the line's comment, and its text.
fn comment(line: &Line) -> (&str, &str) {
    let comment = line.comment.trim();
    let text = comment.trim_start_matches(['/', '!', '*']);
    (&comment[..comment.len() - text.len()], text.trim())
}

impl Text {
    fn of(file: &File) -> Self {
        let mut text = Self::default();
        let mut before = "";
        for (number, line) in (1..).zip(&file.lines) {
            let code = line.text.trim();
            let (marker, comment) = comment(line);
            text.add("\n", code, number);
            let begins = comment.is_empty() || comment.starts_with(['-', '*', '|', '#']);
            let goes_on = !begins && code.is_empty() && marker == before;
            let comment = comment.trim_start_matches(['-', ' ']);
            text.add(if goes_on { " " } else { "\n" }, comment, number);
            let is_open = !comment.is_empty() && !comment.starts_with('#');
            before = if is_open { marker } else { "" };
        }
        text.lower = text.spaced.to_ascii_lowercase();
        text
    }

    fn add(&mut self, separator: &str, text: &str, number: usize) {
        if !text.is_empty() {
            self.spaced.push_str(separator);
            self.lines.push((self.spaced.len(), number));
            self.spaced.push_str(&text.replace(['_', '-'], " "));
        }
    }

    /// Returns where one of the forms stands as whole words, and which.
    fn found<'a>(&self, forms: &'a [String]) -> Vec<(usize, &'a str)> {
        let spaced = &self.spaced;
        let mut found = Vec::new();
        for form in forms {
            let word = form.trim_start_matches('^');
            let has_case = word.contains(char::is_uppercase);
            let text = if has_case { spaced } else { &self.lower };
            for (at, _) in text.match_indices(word) {
                let begins = form == word || begins_sentence(&spaced[..at]);
                if begins && is_boundary(spaced, at) && is_boundary(spaced, at + word.len()) {
                    found.push((at, word));
                }
            }
        }
        found
    }

    /// Returns the number of the line in which the byte stands.
    fn line(&self, at: usize) -> usize {
        let begun = self.lines.partition_point(|(first, _)| *first <= at);
        self.lines[begun - 1].1
    }
}

#[test]
fn no_retired_word_is_in_src() {
    expect_none(retired_words(tree()));
}

#[test]
fn every_exception_for_a_retired_word_is_used() {
    let mut violations = Vec::new();
    for Retired {
        pattern, allowed, ..
    } in RETIRED
    {
        let forms = forms(pattern);
        for (path, reason) in *allowed {
            let file = tree().file(&format!("src/{path}"));
            let text = file.map(Text::of).unwrap_or_default();
            if text.found(&forms).is_empty() {
                let what =
                    format!("`{pattern}` is not in {path} ({reason}): take out the exception");
                violations.push(Violation::new("tests/tidy/words.rs", 1, what));
            }
        }
    }
    expect_none(violations);
}

#[test]
fn patterns_stand_for_all_their_forms() {
    assert_eq!(forms("ab?"), ["ab", "a"]);
    assert_eq!(forms("(a|b )?c"), ["ac", "b c", "c"]);
}

#[test]
fn whole_words_are_found_in_any_shape() {
    let is_found = |comment: &str, pattern: &str| {
        let tree = Tree::of([("src/a.rs", &*format!("// {comment}"))]);
        !Text::of(&tree.files[0]).found(&forms(pattern)).is_empty()
    };
    for text in [
        "a guest.",
        "GUESTS_ROOM",
        "is_guest",
        "TheGuest",
        "GuestRoom",
        "Guest",
    ] {
        assert!(is_found(text, "guests?"), "{text}");
    }
    assert!(is_found("fn look_around()", "look around"));
    assert!(is_found("It is so. **What** is", "^What"));
    for (text, pattern) in [
        ("guested", "guests?"),
        ("a pass", "Pass"),
        ("Passes", "Pass"),
        ("so What", "^What"),
        ("somewhat", "what"),
        ("# What is", "^What"),
    ] {
        assert!(!is_found(text, pattern), "{text}");
    }
}

#[test]
fn retired_words_are_found_across_lines_and_in_code() {
    let text = "//! It ends by\n//! and by, forever.\n//!\n//! Gives\n\n/// but\nfn but() {} \
                // for\nconst A: &str = \"for ever\";\nfn so_many() {}";
    let tree = Tree::of([("src/a.rs", text)]);
    let mut found: Vec<_> = retired_words(&tree).into_iter().map(|it| it.line).collect();
    found.sort_unstable();
    assert_eq!(found, [1, 4, 8, 9]);
}
