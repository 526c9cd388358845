//! The promises, one function each. Each panics with a sentence when the store breaks it, and needs a
//! [`Harness`](super::Harness) that gives an empty store.

mod expiry;
mod leases;
mod listing;
mod outages;
mod owners;
mod races;
mod records;
mod reports;
mod verbs;

pub use expiry::*;
pub use leases::*;
pub use listing::*;
pub use outages::*;
pub use owners::*;
pub use races::*;
pub use records::*;
pub use reports::*;
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
            a_lease_has_one_holder
            a_lease_is_released_by_its_token_only
            a_lease_runs_out_unless_it_is_prolonged
            a_lease_is_displaced_by_naming_its_holder
            a_lease_is_exclusive_under_a_crowd
            a_count_tells_what_is_there
            paging_sees_every_record
            paging_keeps_every_condition
            paging_goes_on_while_records_come_and_go
            an_owners_live_sessions_are_found
            a_swap_moves_a_session_to_its_new_owner
            ending_an_owner_ends_all_but_the_one_excepted
            an_ended_owner_refuses_what_loaded_before
            an_owners_tombstone_is_kept_for_its_time
            the_excepted_session_goes_on
            an_owner_of_many_sessions_is_ended_too
            counters_are_summed_and_kept_apart
            labels_and_samples_are_any_text
            no_count_is_lost_in_a_crowd
            reports_are_bounded
            no_increment_is_lost
            a_handle_serves_many_tasks_at_once
            of_racing_creates_one_succeeds
            nothing_lives_after_an_end
            every_history_has_an_order
            an_owner_is_ended_in_the_midst_of_writes
            a_sweep_beside_writes_takes_nothing_alive
            a_frozen_server_costs_the_budget_and_no_more
            replies_that_stay_away_cost_the_budget_and_no_more
            requests_that_do_not_arrive_cost_the_budget_and_no_more
            a_lost_reply_is_never_told_as_a_failure
            a_cut_connection_is_mended_unnoticed
            a_dropped_schema_is_made_anew
            an_absent_server_is_told_and_its_return_noticed
            nothing_acknowledged_is_lost_by_a_killed_server
            every_history_has_an_order_though_connections_are_cut
        }
    };
}
