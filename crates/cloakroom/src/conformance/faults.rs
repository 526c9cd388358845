//! What a harness can do to the server and the network before it, so that the fault script can be run.

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// All connections that stand are cut; new ones work. Over as soon as it has begun.
    Cut,
    /// Requests reach the server and are carried out, but no reply comes back.
    SwallowReplies,
    /// The server stands still (SIGSTOP): connections are accepted by the kernel, and nobody answers.
    Freeze,
    /// The server dies without a warning (SIGKILL); it is started again when the fault ends. To be supported only where
    /// the store, as set up, promises that what was acknowledged survives this.
    Kill,
    /// The store's tables, or whatever it made for itself, are dropped under it. Over as soon as it has begun.
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
    /// [`Unsupported`]: the kit then leaves out what needs it. The default supports nothing.
    fn begin(&self, fault: Fault) -> Result<(), Unsupported> {
        let _ = fault;
        Err(Unsupported)
    }

    /// Ends a fault that was begun; returns when the server would answer again.
    fn end(&self, fault: Fault) {
        let _ = fault;
    }
}
