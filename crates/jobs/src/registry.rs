//! The list of a program's jobs.

use std::any::{TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::encoding::{CodecError, decode, encode};
use crate::job::{Job, Sendable, assert_no_captures};

/// The jobs of a program: functions, each with a name.
///
/// The side that submits a job looks for its name, by the type of the function; the side that runs
/// it looks for the function, by its name. Each makes a list of its own, from the same code:
/// functions have no addresses that hold for another process. Clones are cheap, and have the list
/// in common.
///
/// # Examples
///
/// ```
/// use workmill_jobs::Jobs;
///
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// fn sum<T: std::iter::Sum>(numbers: Vec<T>) -> T {
///     numbers.into_iter().sum()
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("square", square).with("sum", sum::<f64>)
/// }
/// # let _ = jobs();
/// ```
#[derive(Clone, Default)]
pub struct Jobs {
    list: Arc<List>,
}

#[derive(Clone, Default)]
struct List {
    entries: Vec<Entry>,
    by_type: HashMap<TypeId, usize>,
    by_name: HashMap<&'static str, usize>,
}

/// What a call of a job is about to do.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// To decode the arguments.
    Decode,
    /// To call the function.
    Run,
    /// To encode the result.
    Encode,
}

/// The result appended to the buffer, or an error. The last argument is told each phase.
type Call =
    Arc<dyn Fn(&[u8], &mut Vec<u8>, &mut dyn FnMut(Phase)) -> Result<(), CallError> + Send + Sync>;

#[derive(Clone)]
struct Entry {
    name: &'static str,
    function: &'static str,
    call: Call,
}

impl Jobs {
    /// Creates an empty list.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(workmill_jobs::Jobs::new().names().count(), 0);
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a job under a name.
    ///
    /// The name stays the same when the program is changed and built anew, so a job can be handed
    /// to a worker on another machine. It should be the name of the function.
    ///
    /// # Panics
    ///
    /// Panics if there is a job of this name, or if the function has a name already. Two functions
    /// with equal bodies are two functions.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_jobs::Jobs;
    ///
    /// fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// fn add(a: u64, b: u64) -> u64 {
    ///     a + b
    /// }
    ///
    /// let jobs = Jobs::new().with("square", square).with("add", add);
    /// assert_eq!(jobs.names().collect::<Vec<_>>(), ["square", "add"]);
    /// ```
    pub fn with<F, A, M>(mut self, name: &'static str, function: F) -> Self
    where
        F: Job<A, M>,
        A: Sendable,
    {
        assert_no_captures::<F>();
        let list = Arc::make_mut(&mut self.list);
        let added = type_name::<F>();
        if let Some(&at) = list.by_name.get(name) {
            let other = list.entries[at].function;
            panic!("two jobs have the name `{name}`: {other} and {added}; rename one of them");
        }
        if let Some(&at) = list.by_type.get(&TypeId::of::<F>()) {
            let other = list.entries[at].name;
            panic!("the function {added} has two names, `{other}` and `{name}`; leave out one");
        }
        let at = list.entries.len();
        list.by_name.insert(name, at);
        list.by_type.insert(TypeId::of::<F>(), at);
        list.entries.push(Entry {
            name,
            function: added,
            call: Arc::new(move |arguments, result, tell| {
                tell(Phase::Decode);
                let arguments = decode::<A>(arguments).map_err(CallError::Arguments)?;
                tell(Phase::Run);
                let returned = function.call(arguments);
                tell(Phase::Encode);
                encode(&returned, result).map_err(CallError::Result)
            }),
        });
        self
    }

    /// Returns the name of a function.
    ///
    /// # Errors
    ///
    /// [`NotRegistered`], whose text says what to write.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_jobs::Jobs;
    ///
    /// fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// assert_eq!(Jobs::new().with("square", square).name_of(square)?, "square");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name_of<F, A, M>(&self, function: F) -> Result<&'static str, NotRegistered>
    where
        F: Job<A, M>,
    {
        self.index_of(function).map(|at| self.list.entries[at].name)
    }

    /// Returns the place of a function in the list.
    #[doc(hidden)]
    pub fn index_of<F, A, M>(&self, _function: F) -> Result<usize, NotRegistered>
    where
        F: Job<A, M>,
    {
        assert_no_captures::<F>();
        let at = self.list.by_type.get(&TypeId::of::<F>());
        at.copied().ok_or(NotRegistered {
            function: type_name::<F>(),
        })
    }

    /// Returns the name of the function of a type.
    #[doc(hidden)]
    pub fn name_of_type(&self, function: TypeId) -> Option<&'static str> {
        self.name_at(*self.list.by_type.get(&function)?)
    }

    /// Returns the name at a place in the list.
    #[doc(hidden)]
    pub fn name_at(&self, at: usize) -> Option<&'static str> {
        self.list.entries.get(at).map(|entry| entry.name)
    }

    /// Returns the names, in the order in which they were added.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_jobs::Jobs;
    ///
    /// fn sow() {}
    /// fn reap() {}
    ///
    /// let jobs = Jobs::new().with("sow", sow).with("reap", reap);
    /// assert!(jobs.names().eq(["sow", "reap"]));
    /// ```
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.list.entries.iter().map(|entry| entry.name)
    }

    /// Calls the job `name` with encoded arguments, and appends the encoded result to `result`.
    ///
    /// It is for those that carry jobs to other places themselves.
    ///
    /// # Errors
    ///
    /// [`CallError`]. The job has not run, except with [`CallError::Result`].
    ///
    /// # Panics
    ///
    /// Panics if the job panics.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_jobs::Jobs;
    ///
    /// fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// let jobs = Jobs::new().with("square", square);
    /// let mut result = Vec::new();
    /// jobs.call("square", &[3], &mut result)?; // a small number is encoded as one byte
    /// assert_eq!(result, [9]);
    /// # Ok::<(), workmill_jobs::CallError>(())
    /// ```
    pub fn call(
        &self,
        name: &str,
        arguments: &[u8],
        result: &mut Vec<u8>,
    ) -> Result<(), CallError> {
        self.call_in_phases(name, arguments, result, &mut |_| ())
    }

    /// Calls a job as [`call`](Self::call) does, and tells each phase before it begins: arguments
    /// and results may hold what is more than their bytes.
    #[doc(hidden)]
    pub fn call_in_phases(
        &self,
        name: &str,
        arguments: &[u8],
        result: &mut Vec<u8>,
        tell: &mut dyn FnMut(Phase),
    ) -> Result<(), CallError> {
        let at = self.list.by_name.get(name).copied();
        let entry = at.map(|at| &self.list.entries[at]);
        let entry = entry.ok_or_else(|| CallError::Unknown(name.to_owned()))?;
        (entry.call)(arguments, result, tell)
    }

    /// Returns a number that is the same for each list of the same names in the same order. By it
    /// two programs find that they were not built from the same code, before they send a job.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_jobs::Jobs;
    ///
    /// fn sow() {}
    /// fn reap() {}
    ///
    /// let jobs = || Jobs::new().with("sow", sow);
    /// assert_eq!(jobs().fingerprint(), jobs().fingerprint());
    /// assert_ne!(jobs().fingerprint(), jobs().with("reap", reap).fingerprint());
    /// ```
    pub fn fingerprint(&self) -> u64 {
        // FNV-1a, as it is described at http://www.isthe.com/chongo/tech/comp/fnv/. A byte that is
        // in no UTF-8 ends each name.
        let bytes = self.names().flat_map(|name| name.bytes().chain([0xff]));
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.list.entries.iter();
        f.debug_map()
            .entries(entries.map(|entry| (entry.name, entry.function)))
            .finish()
    }
}

/// An error returned for a function that is not in the list of jobs.
///
/// # Examples
///
/// ```
/// use workmill_jobs::Jobs;
///
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// println!("{}", Jobs::new().name_of(square).unwrap_err()); // says what to write
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRegistered {
    function: &'static str,
}

impl fmt::Display for NotRegistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function } = self;
        if function.contains("{{closure}}") {
            return write!(
                f,
                "the closure {function} is not registered as a job: write it as a function, or \
                 keep it in a constant and register and submit that, since a closure that is \
                 written twice has two types"
            );
        }
        let path = function.split('<').next().unwrap_or(function);
        let last = path.trim_end_matches("::").rsplit("::").next();
        write!(
            f,
            "the function {function} is not registered as a job: add `.with(\"{0}\", {0})` to the \
             `Jobs` that this executor was given, and to those of its workers",
            last.unwrap_or(function)
        )?;
        match function.contains('<') {
            true => write!(
                f,
                "; each instance of a generic function needs a name of its own"
            ),
            false => Ok(()),
        }
    }
}

impl std::error::Error for NotRegistered {}

/// An error returned by [`Jobs::call`].
///
/// # Examples
///
/// ```
/// use workmill_jobs::{CallError, Jobs};
///
/// let error = Jobs::new().call("square", &[3], &mut Vec::new()).unwrap_err();
/// assert_eq!(error, CallError::Unknown("square".to_owned()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// There is no job of this name.
    Unknown(String),
    /// The arguments could not be decoded. The job has not run.
    Arguments(CodecError),
    /// The job has run, and its result could not be encoded.
    Result(CodecError),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "there is no job `{name}`"),
            Self::Arguments(error) => write!(f, "the arguments cannot be decoded: {error}"),
            Self::Result(error) => write!(f, "the result cannot be encoded: {error}"),
        }
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unknown(_) => None,
            Self::Arguments(error) | Self::Result(error) => Some(error),
        }
    }
}
