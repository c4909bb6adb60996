//! What is claimed of the pipeline, each claim once, for every kind of broker.
//!
//! A scenario gets a [`Stage`] and either holds or says why not. Names are sentences; the list below is the order of
//! running: the long ones first, so that none is left alone at the end.

mod api;
mod bad_input;
mod counting;
mod crashes;
mod groups;
mod history;
mod hostile;
mod metrics;
mod migrations;
mod outages;
mod redrives;
mod refusals;
mod secured;
mod strangers;
mod traces;
mod verify;

use crate::Checked;
use crate::stage::Stage;

/// Where a scenario is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Against the embedded broker and against Apache Kafka.
    EveryBroker,
    /// Only where brokers have transactions.
    ApacheOnly,
    /// Without a broker.
    NoBroker,
}

/// What a scenario needs besides a broker that others use too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// A broker that it may kill.
    OwnBroker,
    /// Kafka's own tools and Java.
    Jars,
    /// A broker of its own with secured ports, from the jars.
    SecuredBroker,
    /// kcat, which is run where it is installed and nowhere demanded.
    Kcat,
}

/// One claim.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// The claim, as the name of a test.
    pub name: &'static str,
    /// Where it is run.
    pub on: On,
    /// What it needs.
    pub needs: Needs,
    /// Plays it.
    pub play: fn(&mut Stage<'_>) -> Checked,
}

macro_rules! scenarios {
    ($($on:ident, $needs:ident, $chapter:ident :: $name:ident;)*) => {
        /// Every scenario.
        pub const ALL: &[Scenario] = &[
            $(Scenario { name: stringify!($name), on: On::$on, needs: Needs::$needs, play: $chapter::$name },)*
        ];
    };
}

scenarios! {
    EveryBroker, OwnBroker, outages::a_broker_silent_for_20_s_costs_time_and_no_record;
    ApacheOnly, OwnBroker, outages::quotas_slow_a_pipeline_down_and_send_nothing_twice;
    EveryBroker, OwnBroker, outages::a_broker_killed_twice_under_load_costs_no_record;
    EveryBroker, Nothing, groups::partitions_move_with_every_join_leave_and_kill;
    ApacheOnly, Nothing, groups::partitions_move_by_kip_848_as_well;
    EveryBroker, Nothing, groups::who_begins_beside_an_owner_at_work_does_not_take_the_log_for_another;
    EveryBroker, Nothing, groups::partitions_that_a_topic_gains_are_taken_up_without_a_restart;
    EveryBroker, Nothing, migrations::a_migration_under_load_keeps_the_totals_and_changes_windows_from_then_on;
    EveryBroker, Nothing, crashes::twenty_kills_of_the_consumer_change_no_total;
    EveryBroker, Nothing, counting::totals_equal_the_oracle;
    EveryBroker, Nothing, hostile::clients_that_mean_harm_cost_no_record_and_health_is_answered_throughout;
    EveryBroker, Nothing, crashes::a_consumer_that_wakes_beside_its_successor_harms_nothing;
    EveryBroker, Nothing, crashes::a_killed_producer_leaves_every_acknowledged_record_and_no_gap;
    EveryBroker, Nothing, verify::verify_is_equal_at_rest_after_every_kind_of_fault;
    EveryBroker, Nothing, verify::verify_is_equal_while_producer_and_consumer_run;
    EveryBroker, Nothing, verify::verify_begins_at_an_anchor_where_retention_took_the_beginning;
    EveryBroker, Nothing, verify::verify_finds_a_doctored_snapshot_and_names_the_number;
    EveryBroker, Nothing, verify::verify_finds_a_lost_dead_letter_and_a_changed_window;
    EveryBroker, Nothing, verify::verify_says_when_nobody_catches_up_and_ends_when_asked_to;
    EveryBroker, Nothing, migrations::a_migration_says_what_it_would_change_and_refuses_what_it_cannot_do;
    EveryBroker, Nothing, migrations::an_owner_makes_way_for_a_snapshot_of_a_newer_version_until_a_reset;
    EveryBroker, Nothing, history::a_compacted_state_topic_restores_the_state;
    EveryBroker, Nothing, history::records_that_retention_took_are_counted_as_skipped;
    EveryBroker, Nothing, history::a_topic_made_again_behind_a_snapshot_is_refused;
    EveryBroker, Nothing, history::a_topic_made_again_with_fewer_partitions_is_named_and_mended_as_it_says;
    EveryBroker, Nothing, history::a_reset_after_a_refusal_counts_the_log_anew;
    EveryBroker, Nothing, history::a_truncated_log_is_refused;
    EveryBroker, Nothing, history::a_log_that_does_not_begin_at_zero_is_adopted_without_a_gap;
    EveryBroker, Nothing, history::a_lost_state_topic_is_refused_and_points_to_reset;
    EveryBroker, Nothing, crashes::sigterm_drains_and_ends_well;
    EveryBroker, Nothing, counting::the_summary_is_the_same_by_http_and_from_outside;
    EveryBroker, Nothing, api::every_answer_is_as_the_openapi_document_says_and_they_agree;
    EveryBroker, Nothing, metrics::metrics_are_those_of_the_reference_and_no_others;
    EveryBroker, Nothing, counting::the_same_seed_and_start_give_the_same_bytes;
    EveryBroker, Nothing, counting::an_idle_consumer_ends_when_told_to;
    EveryBroker, Nothing, crashes::fail_after_dies_with_its_own_code;
    EveryBroker, Nothing, groups::a_member_without_partitions_stands_by_and_answers_for_all;
    EveryBroker, Nothing, groups::partitions_fixed_by_settings_need_no_group;
    EveryBroker, Nothing, groups::a_reset_is_followed_by_those_at_work_and_survives_an_old_snapshot;
    EveryBroker, Nothing, groups::a_reset_may_begin_at_the_end_or_at_a_time;
    EveryBroker, Nothing, groups::two_settings_alive_count_one_and_the_same_thing;
    EveryBroker, Jars, groups::a_foreign_member_of_the_group_is_named_and_waited_out;
    EveryBroker, Jars, groups::kafkas_own_tool_shows_members_and_lag;
    EveryBroker, Nothing, bad_input::each_bad_input_is_a_dead_letter_with_its_bytes_and_reason;
    EveryBroker, Nothing, redrives::dead_letters_are_shown_safely_mended_once_and_linked_to_their_origin;
    EveryBroker, Nothing, redrives::redrives_killed_at_work_or_side_by_side_send_each_letter_once;
    EveryBroker, Nothing, bad_input::a_batch_sent_again_is_redelivered_and_a_gap_is_counted;
    EveryBroker, Nothing, bad_input::a_batch_that_is_huge_unpacked_is_undecodable_and_is_passed;
    EveryBroker, Nothing, strangers::records_of_other_clients_count_alike;
    EveryBroker, Nothing, strangers::every_compression_and_odd_headers_are_counted_all_the_same;
    EveryBroker, Jars, strangers::the_java_console_producer_is_understood_in_every_compression;
    EveryBroker, Kcat, strangers::kcat_is_understood;
    ApacheOnly, Jars, strangers::transactions_of_a_java_producer_count_and_an_open_one_hangs_nothing;
    EveryBroker, Nothing, traces::a_trace_leads_from_the_producer_to_the_snapshot;
    EveryBroker, Nothing, traces::a_collector_that_never_answers_costs_spans_and_nothing_else;
    ApacheOnly, SecuredBroker, secured::a_refused_login_or_certificate_is_named_and_mended_without_a_restart;
    ApacheOnly, SecuredBroker, secured::the_documented_rights_are_enough_and_no_more;
    ApacheOnly, SecuredBroker, secured::totals_are_exact_over_sasl_ssl_and_over_mutual_tls;
    EveryBroker, Nothing, refusals::a_state_topic_with_too_many_partitions_is_refused;
    EveryBroker, Nothing, refusals::a_state_topic_with_too_few_partitions_grows;
    EveryBroker, Nothing, refusals::a_state_topic_that_is_not_compacted_is_refused;
    EveryBroker, Nothing, refusals::broker_timestamps_are_refused;
    EveryBroker, Nothing, refusals::a_dead_letter_topic_that_takes_too_little_is_raised;
    NoBroker, Nothing, verify::verify_without_a_broker_could_not_check;
    NoBroker, Nothing, refusals::every_wrong_setting_is_named_at_once;
    NoBroker, Nothing, refusals::an_unreachable_broker_is_named_while_not_ready;
    NoBroker, Nothing, refusals::a_host_name_of_compose_gets_a_hint;
}
