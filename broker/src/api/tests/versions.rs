//! Every API at every version that is offered: the request passes the structure check, is answered, and the answer reads
//! back.

use bytes::Bytes;
use kafka_protocol::messages::*;

use super::super::SERVED;
use super::{TOPIC, ask, group, name, node, text, versions};
use crate::log::testing::batch;

#[tokio::test]
async fn records_pass_through_every_version_of_produce_fetch_and_list_offsets() {
    let (_dir, node) = node();
    let id = node.topics.get(TOPIC).unwrap().id;
    let mut sent = 0;
    for version in versions(ApiKey::Produce) {
        let records = Bytes::from(batch(&[(Some("k"), Some("v"), 1)]));
        let data = produce_request::PartitionProduceData::default().with_index(1).with_records(Some(records));
        let topic = produce_request::TopicProduceData::default().with_partition_data(vec![data]);
        let topic = if version >= 13 { topic.with_topic_id(id) } else { topic.with_name(name(TOPIC)) };
        let answer = ask(&node, version, ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic])).await;
        assert_eq!(answer.responses[0].partition_responses[0].base_offset, sent, "version {version}");
        sent += 1;
    }
    for version in versions(ApiKey::Fetch) {
        let partition = fetch_request::FetchPartition::default().with_partition(1).with_partition_max_bytes(1 << 20);
        let topic = fetch_request::FetchTopic::default().with_partitions(vec![partition]);
        let topic = if version >= 13 { topic.with_topic_id(id) } else { topic.with_topic(name(TOPIC)) };
        let answer =
            ask(&node, version, FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![topic])).await;
        let partition = &answer.responses[0].partitions[0];
        assert_eq!((partition.error_code, partition.high_watermark), (0, sent), "version {version}");
        assert!(partition.records.as_ref().is_some_and(|records| !records.is_empty()));
    }
    for version in versions(ApiKey::ListOffsets) {
        for (timestamp, offset) in [(-1, sent), (-2, 0), (-3, 0), (1, 0), (2, -1)] {
            let partition =
                list_offsets_request::ListOffsetsPartition::default().with_partition_index(1).with_timestamp(timestamp);
            let topic = list_offsets_request::ListOffsetsTopic::default()
                .with_name(name(TOPIC))
                .with_partitions(vec![partition]);
            let answer = ask(&node, version, ListOffsetsRequest::default().with_topics(vec![topic])).await;
            assert_eq!(answer.topics[0].partitions[0].offset, offset, "version {version}, timestamp {timestamp}");
        }
    }
}

#[tokio::test]
async fn topics_are_described_in_every_version() {
    let (_dir, node) = node();
    for version in versions(ApiKey::Metadata) {
        let wanted = metadata_request::MetadataRequestTopic::default().with_name(Some(name(TOPIC)));
        let missing = metadata_request::MetadataRequestTopic::default().with_name(Some(name("missing")));
        let answer = ask(&node, version, MetadataRequest::default().with_topics(Some(vec![wanted, missing]))).await;
        assert_eq!(answer.topics[0].partitions.len(), 2, "version {version}");
        assert_eq!(answer.topics[1].error_code, 3, "version {version}");
        assert_eq!(answer.brokers[0].port, 9092);
        let all = if version == 0 { Some(Vec::new()) } else { None };
        assert_eq!(ask(&node, version, MetadataRequest::default().with_topics(all)).await.topics.len(), 1);
    }
    for version in versions(ApiKey::DescribeCluster) {
        assert_eq!(ask(&node, version, DescribeClusterRequest::default()).await.brokers.len(), 1);
    }
    for limit in [1, 2, 10] {
        let request = DescribeTopicPartitionsRequest::default().with_response_partition_limit(limit);
        let answer = ask(&node, 0, request).await;
        assert_eq!(answer.next_cursor.is_some(), limit == 1, "limit {limit}");
    }
    let at = describe_topic_partitions_request::Cursor::default().with_topic_name(name(TOPIC)).with_partition_index(1);
    let request = DescribeTopicPartitionsRequest::default().with_response_partition_limit(10).with_cursor(Some(at));
    assert_eq!(ask(&node, 0, request).await.topics[0].partitions.len(), 1, "goes on where the cursor points");
    for version in versions(ApiKey::ApiVersions) {
        assert_eq!(ask(&node, version, ApiVersionsRequest::default()).await.api_keys.len(), SERVED.len());
    }
}

#[tokio::test]
async fn topics_are_managed_in_every_version() {
    let (_dir, node) = node();
    for version in versions(ApiKey::CreateTopics) {
        let config = create_topics_request::CreatableTopicConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text("5")));
        let topic = create_topics_request::CreatableTopic::default()
            .with_name(name(&format!("made-{version}")))
            .with_num_partitions(1)
            .with_replication_factor(1)
            .with_configs(vec![config]);
        let assigned = create_topics_request::CreatableTopic::default()
            .with_name(name(&format!("assigned-{version}")))
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_assignments(vec![
                create_topics_request::CreatableReplicaAssignment::default().with_broker_ids(vec![BrokerId(1)]),
            ]);
        let there = create_topics_request::CreatableTopic::default().with_name(name(TOPIC)).with_num_partitions(1);
        let request =
            CreateTopicsRequest::default().with_topics(vec![topic, assigned, there.with_replication_factor(1)]);
        let answer = ask(&node, version, request).await;
        let errors: Vec<i16> = answer.topics.iter().map(|topic| topic.error_code).collect();
        assert_eq!(errors, [0, 0, 36], "version {version}: {answer:?}");
    }
    for version in versions(ApiKey::CreatePartitions) {
        let topic = create_partitions_request::CreatePartitionsTopic::default()
            .with_name(name("made-2"))
            .with_count(i32::from(version) + 2)
            .with_assignments(None);
        let answer = ask(&node, version, CreatePartitionsRequest::default().with_topics(vec![topic])).await;
        assert_eq!(answer.results[0].error_code, 0, "version {version}");
    }
    for version in versions(ApiKey::DescribeConfigs) {
        let resource = describe_configs_request::DescribeConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("made-2"))
            .with_configuration_keys(Some(vec![text("retention.ms")]));
        let answer = ask(&node, version, DescribeConfigsRequest::default().with_resources(vec![resource])).await;
        let entry = &answer.results[0].configs[0];
        assert_eq!((entry.value.as_deref(), entry.config_source), (Some("5"), 1), "version {version}");
    }
    for version in versions(ApiKey::IncrementalAlterConfigs) {
        let change = incremental_alter_configs_request::AlterableConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text("6")));
        let resource = incremental_alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("made-2"))
            .with_configs(vec![change]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        assert_eq!(ask(&node, version, request).await.responses[0].error_code, 0, "version {version}");
    }
    for version in versions(ApiKey::DeleteTopics) {
        let topic = name(&format!("made-{}", version + 1));
        let request = DeleteTopicsRequest::default();
        let request = if version >= 6 {
            let state = delete_topics_request::DeleteTopicState::default().with_name(Some(topic));
            request.with_topics(vec![state])
        } else {
            request.with_topic_names(vec![topic])
        };
        assert_eq!(ask(&node, version, request).await.responses[0].error_code, 0, "version {version}");
    }
}

#[tokio::test]
async fn offsets_are_committed_fetched_and_deleted_in_every_version() {
    let (_dir, node) = node();
    for version in versions(ApiKey::OffsetCommit) {
        let partition = offset_commit_request::OffsetCommitRequestPartition::default()
            .with_partition_index(1)
            .with_committed_offset(i64::from(version))
            .with_committed_metadata(Some(text("note")));
        let topic = offset_commit_request::OffsetCommitRequestTopic::default()
            .with_name(name(TOPIC))
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(group())
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic]);
        assert_eq!(ask(&node, version, request).await.topics[0].partitions[0].error_code, 0, "version {version}");
    }
    for version in versions(ApiKey::OffsetFetch) {
        let fetched = if version >= 8 {
            let topic = offset_fetch_request::OffsetFetchRequestTopics::default()
                .with_name(name(TOPIC))
                .with_partition_indexes(vec![1]);
            let one = offset_fetch_request::OffsetFetchRequestGroup::default()
                .with_group_id(group())
                .with_topics(Some(vec![topic]));
            let answer = ask(&node, version, OffsetFetchRequest::default().with_groups(vec![one])).await;
            answer.groups[0].topics[0].partitions[0].committed_offset
        } else {
            let topic = offset_fetch_request::OffsetFetchRequestTopic::default()
                .with_name(name(TOPIC))
                .with_partition_indexes(vec![1]);
            let request = OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![topic]));
            ask(&node, version, request).await.topics[0].partitions[0].committed_offset
        };
        assert_eq!(fetched, 9, "version {version}");
    }
    let partition = offset_delete_request::OffsetDeleteRequestPartition::default().with_partition_index(1);
    let topic = offset_delete_request::OffsetDeleteRequestTopic::default()
        .with_name(name(TOPIC))
        .with_partitions(vec![partition]);
    let request = OffsetDeleteRequest::default().with_group_id(group()).with_topics(vec![topic]);
    assert_eq!(ask(&node, 0, request.clone()).await.error_code, 0);
    assert_eq!(ask(&node, 0, request).await.error_code, 69, "nothing is left of the group");
}

#[tokio::test]
async fn the_other_requests_are_answered_in_every_version() {
    let (_dir, node) = node();
    for version in versions(ApiKey::FindCoordinator) {
        let request = FindCoordinatorRequest::default();
        let port = if version >= 4 {
            ask(&node, version, request.with_coordinator_keys(vec![text("group")])).await.coordinators[0].port
        } else {
            ask(&node, version, request.with_key(text("group"))).await.port
        };
        assert_eq!(port, 9092, "version {version}");
    }
    let mut ids = std::collections::BTreeSet::new();
    for version in versions(ApiKey::InitProducerId) {
        let request = InitProducerIdRequest::default().with_transactional_id(None);
        assert!(ids.insert(ask(&node, version, request).await.producer_id), "version {version}: an id given twice");
        let request = InitProducerIdRequest::default().with_transactional_id(Some(TransactionalId(text("t"))));
        assert_eq!(ask(&node, version, request).await.error_code, 53, "version {version}");
    }
    for version in versions(ApiKey::DeleteRecords) {
        let partition =
            delete_records_request::DeleteRecordsPartition::default().with_partition_index(0).with_offset(-1);
        let topic = delete_records_request::DeleteRecordsTopic::default()
            .with_name(name(TOPIC))
            .with_partitions(vec![partition]);
        let answer = ask(&node, version, DeleteRecordsRequest::default().with_topics(vec![topic])).await;
        assert_eq!(answer.topics[0].partitions[0].low_watermark, 0, "version {version}");
    }
    for version in versions(ApiKey::OffsetForLeaderEpoch) {
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition::default().with_leader_epoch(0);
        let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
            .with_topic(name(TOPIC))
            .with_partitions(vec![partition]);
        let answer = ask(&node, version, OffsetForLeaderEpochRequest::default().with_topics(vec![topic])).await;
        assert_eq!(answer.topics[0].partitions[0].end_offset, 0, "version {version}");
    }
}

#[tokio::test]
async fn a_group_forms_and_dissolves_in_every_version() {
    let (_dir, node) = node();
    for version in versions(ApiKey::JoinGroup) {
        let protocol = join_group_request::JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(Bytes::from_static(b"m"));
        let mut request = JoinGroupRequest::default()
            .with_group_id(group())
            .with_session_timeout_ms(6_000)
            .with_rebalance_timeout_ms(if version >= 1 { 6_000 } else { -1 })
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        let mut joined = ask(&node, version, request.clone()).await;
        if version >= 4 {
            assert_eq!(joined.error_code, 79, "version {version}: the member id comes first");
            request = request.with_member_id(joined.member_id);
            joined = ask(&node, version, request).await;
        }
        assert_eq!((joined.error_code, joined.members.len()), (0, 1), "version {version}");
        let (generation, member) = (joined.generation_id, joined.member_id);
        let other = version.min(5);
        let assignment = sync_group_request::SyncGroupRequestAssignment::default()
            .with_member_id(member.clone())
            .with_assignment(Bytes::from_static(b"all"));
        let request = SyncGroupRequest::default()
            .with_group_id(group())
            .with_generation_id(generation)
            .with_member_id(member.clone())
            .with_assignments(vec![assignment]);
        let synced = ask(&node, other, request).await;
        assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"all"[..]), "version {other}");
        let request = HeartbeatRequest::default()
            .with_group_id(group())
            .with_generation_id(generation)
            .with_member_id(member.clone());
        assert_eq!(ask(&node, version.min(4), request).await.error_code, 0);
        for listed in versions(ApiKey::ListGroups) {
            assert_eq!(ask(&node, listed, ListGroupsRequest::default()).await.groups.len(), 1, "version {listed}");
        }
        for described in versions(ApiKey::DescribeGroups) {
            let request = DescribeGroupsRequest::default().with_groups(vec![group(), GroupId(text("unknown"))]);
            let groups = ask(&node, described, request).await.groups;
            assert_eq!(&*groups[0].group_state, "Stable", "version {described}");
            assert_eq!(&*groups[1].group_state, "Dead", "version {described}");
        }
        let request = LeaveGroupRequest::default().with_group_id(group());
        let leaving = version.min(5);
        let request = if leaving >= 3 {
            request.with_members(vec![leave_group_request::MemberIdentity::default().with_member_id(member)])
        } else {
            request.with_member_id(member)
        };
        assert_eq!(ask(&node, leaving, request).await.error_code, 0, "version {leaving}");
        let request = DeleteGroupsRequest::default().with_groups_names(vec![group()]);
        assert_eq!(ask(&node, version.min(2), request).await.results[0].error_code, 0);
    }
}
