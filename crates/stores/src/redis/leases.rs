//! Leases: a string of 52 bytes that expires. It is token (8 bytes), host (16), process (4), its start (8), since (8) and
//! until (8), numbers big-endian, times by the server's clock.

use std::time::Duration;

use async_trait::async_trait;
use cloakroom::store::{Holder, Lease, LeaseName, LeaseOutcome, Leases};
use cloakroom::wire::Damaged;
use cloakroom::{Budget, StoreError, Time};

use super::link::odd;
use super::refusal::refused;
use super::resp::Reply;
use super::{RedisStore, damaged, digits, int, scripts};

const LENGTH: usize = 52;
/// A lease that is longer than a year is a mistake, and the server's sums should not run over.
const LONGEST: u64 = 366 * 24 * 3_600_000;

#[async_trait]
impl Leases for RedisStore {
    async fn take(
        &self,
        budget: Budget,
        name: &LeaseName,
        token: u64,
        holder: Holder,
        time: Duration,
        displacing: Option<u64>,
    ) -> Result<LeaseOutcome, StoreError> {
        let mut ours = token.to_be_bytes().to_vec();
        ours.extend_from_slice(&holder.host);
        ours.extend_from_slice(&holder.pid.to_be_bytes());
        ours.extend_from_slice(&holder.started.to_be_bytes());
        let displacing = displacing.map_or(Vec::new(), |token| token.to_be_bytes().to_vec());
        let millis = u64::try_from(time.as_millis()).unwrap_or(LONGEST).clamp(1, LONGEST);
        let arguments = [&token.to_be_bytes()[..], &displacing, &ours, &digits(millis)];
        let outcome = |reply: &Reply<'_>| match reply {
            Reply::Array(parts) => match parts[..] {
                [Reply::Int(1), Reply::Bulk(bytes)] => decode(bytes).map(LeaseOutcome::Taken),
                [Reply::Int(0), Reply::Bulk(bytes)] => decode(bytes).map(LeaseOutcome::Held),
                _ => Err(odd()),
            },
            Reply::Error(words) => Err(refused(words)),
            _ => Err(odd()),
        };
        self.link.run(budget, &scripts::TAKE, &[&self.names.lease(name)], &arguments, outcome).await
    }

    async fn release(&self, budget: Budget, name: &LeaseName, token: u64) -> Result<bool, StoreError> {
        let released = |reply: &Reply<'_>| Ok(int(reply)? == 1);
        let keys = [&self.names.lease(name)[..]];
        self.link.run(budget, &scripts::RELEASE, &keys, &[&token.to_be_bytes()], released).await
    }
}

fn decode(bytes: &[u8]) -> Result<Lease, StoreError> {
    let bytes: &[u8; LENGTH] = bytes.try_into().map_err(|_| damaged(Damaged::Short))?;
    let u64_at = |at: usize| bytes[at..].first_chunk().map_or(0, |eight| u64::from_be_bytes(*eight));
    let mut host = [0; 16];
    host.copy_from_slice(&bytes[8..24]);
    let pid = u32::from_be_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]);
    Ok(Lease {
        token: u64_at(0),
        holder: Holder { host, pid, started: u64_at(28) },
        since: Time(u64_at(36)),
        until: Time(u64_at(44)),
    })
}
