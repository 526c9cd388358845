//! What a harness can do to the server and the network before it, so that the fault script can be run: the promises in
//! [`suite`](super::suite) about time-outs, lost replies, cut connections, killed servers and dropped tables.
//!
//! A harness for a server behind a proxy supports all of them in some thirty lines; one for an embedded store perhaps only
//! [`Fault::DropSchema`]. What is not supported is printed and left out.

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// All connections that stand are cut; new ones work. Over as soon as it has begun.
    Cut,
    /// The next request is carried out, and its connection is cut before the reply; once, then over.
    LoseReply,
    /// Requests reach the server and are carried out; replies are held back until the fault ends.
    StallReplies,
    /// Requests are held back until the fault ends, and arrive then.
    StallRequests,
    /// The server stands still (SIGSTOP): the kernel accepts connections, and nobody answers.
    Freeze,
    /// The server dies without a warning (SIGKILL) and is started again when the fault ends. To be supported only where
    /// the store, as set up, promises that what was acknowledged survives this.
    Kill,
    /// The store's tables, or whatever it made for itself, are dropped with all records. Over as soon as it has begun.
    DropSchema,
}

/// A fault that this harness can't inject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported;

/// Injects faults. The calls may block.
pub trait Faults: Send + Sync {
    /// Begins a fault; returns when it is in force.
    ///
    /// # Errors
    /// [`Unsupported`]: the kit then leaves out what needs it.
    fn begin(&self, fault: Fault) -> Result<(), Unsupported>;

    /// Ends a fault that was begun; returns when the server would answer again.
    fn end(&self, fault: Fault);
}

/// A fault in force; it ends on drop, so that a broken promise leaves nothing frozen behind.
pub(crate) struct InForce<'a>(&'a dyn Faults, Fault);

impl<'a> InForce<'a> {
    /// Begins the fault, or says that it was left out.
    pub(crate) fn begin(harness: &'a dyn super::Harness, fault: Fault) -> Option<Self> {
        let begun = harness.faults().filter(|faults| faults.begin(fault).is_ok());
        if begun.is_none() {
            println!("left out: this harness can't do {fault:?}");
        }
        begun.map(|faults| Self(faults, fault))
    }
}

impl Drop for InForce<'_> {
    fn drop(&mut self) {
        self.0.end(self.1);
    }
}
