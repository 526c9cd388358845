//! The promises, one function each. Each panics with a sentence when the store breaks it, and needs a
//! [`Harness`](super::Harness) that gives an empty store.

mod expiry;
mod records;
mod verbs;

pub use expiry::*;
pub use records::*;
pub use verbs::*;

/// The one list of all promises; hands it to the macro that it is called with.
#[doc(hidden)]
#[macro_export]
macro_rules! __promises {
    ([$($callback:tt)*] [$($argument:tt)*]) => {
        $($callback)*! { [$($argument)*]
            a_record_comes_back_as_it_went
            every_state_and_kind_is_kept
            an_envelope_may_be_empty_or_large_and_holds_any_bytes
            tagged_fields_are_carried_along
            large_numbers_are_kept_to_the_last_bit
            an_owner_is_any_191_bytes
            a_key_is_compared_in_all_its_bytes
            a_verb_never_strays_to_a_similar_key
            a_create_never_replaces_a_record
            a_swap_needs_the_equal_version
            a_record_made_anew_is_another_record
            a_swap_replaces_every_field
            a_touch_never_lowers_the_deadline
            a_touch_is_for_live_records_of_the_equal_version
            an_end_leaves_a_tombstone_of_what_was_there
            an_end_where_nothing_is_leaves_a_tombstone
            an_ended_session_is_not_revived_by_a_late_write
            a_record_is_removed_by_its_version_only
            a_spent_budget_is_answered_at_once_and_honestly
            a_create_takes_the_place_of_an_expired_record
            an_end_of_an_expired_record_leaves_a_tombstone
            a_raised_deadline_counts
            a_lowered_deadline_counts
            a_tombstone_keeps_its_own_time
            a_sweep_is_bounded_and_ends
            a_sweep_spares_what_is_not_expired
            a_sweep_never_strays_to_a_similar_key
            the_clock_goes_on_and_is_shared
        }
    };
}
