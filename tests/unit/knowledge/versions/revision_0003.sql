BEGIN TRANSACTION;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO "alembic_version" VALUES('0003');
CREATE TABLE audit (
	sequence INTEGER NOT NULL, 
	at VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	event TEXT NOT NULL, 
	previous VARCHAR NOT NULL, 
	hash VARCHAR NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (sequence)
);
INSERT INTO "audit" VALUES(1,'2026-03-01T12:00:02+00:00','start','{"epoch":1,"mode":"enforce"}','0000000000000000000000000000000000000000000000000000000000000000','53c40ac2d7f105a000147474a88da10f7958bdfd6105e9992b70d01ac5c2e416');
INSERT INTO "audit" VALUES(2,'2026-03-01T12:00:00+00:00','transition','{"at":"2026-03-01T12:00:00Z","detail":"","epoch":1,"execution_id":"x-healed","from_state":null,"policy_id":null,"reason":"best_candidate","remediation":"block_source","target":"node-7","to_state":"admitted"}','53c40ac2d7f105a000147474a88da10f7958bdfd6105e9992b70d01ac5c2e416','1a69187721c3f48078e224c829337d5c17c340351a61c6b5939915ffc1a4b2d4');
INSERT INTO "audit" VALUES(3,'2026-03-01T12:00:06+00:00','transition','{"at":"2026-03-01T12:00:06Z","detail":"","epoch":1,"execution_id":"x-healed","from_state":"admitted","policy_id":"pol-1","reason":"best_candidate","remediation":"block_source","target":"node-7","to_state":"applying"}','1a69187721c3f48078e224c829337d5c17c340351a61c6b5939915ffc1a4b2d4','5fcc3027a5b1d0e4f2d2e4241c2e2d29630f0e4792e94ad3e3dbae15fe22b847');
INSERT INTO "audit" VALUES(4,'2026-03-01T12:00:09+00:00','transition','{"at":"2026-03-01T12:00:09Z","detail":"","epoch":1,"execution_id":"x-healed","from_state":"applying","policy_id":"pol-1","reason":"best_candidate","remediation":"block_source","target":"node-7","to_state":"verifying"}','5fcc3027a5b1d0e4f2d2e4241c2e2d29630f0e4792e94ad3e3dbae15fe22b847','bc2e3a13e0b15aaaa2bf6cd06b96b4952a6195ed325ca0c535512c675d90e0c2');
INSERT INTO "audit" VALUES(5,'2026-03-01T12:00:00+00:00','transition','{"at":"2026-03-01T12:00:00Z","detail":"","epoch":1,"execution_id":"x-healed","from_state":"verifying","policy_id":"pol-1","reason":"verified","remediation":"block_source","target":"node-7","to_state":"succeeded"}','bc2e3a13e0b15aaaa2bf6cd06b96b4952a6195ed325ca0c535512c675d90e0c2','33f7382b1fccab668ffa8b64f8ee4a492f0d916e9c9b4a8faa294f47525cb9b7');
INSERT INTO "audit" VALUES(6,'2026-03-01T12:00:00+00:00','transition','{"at":"2026-03-01T12:00:00Z","detail":"","epoch":1,"execution_id":"x-worse","from_state":null,"policy_id":null,"reason":"best_candidate","remediation":"block_source","target":"node-7","to_state":"admitted"}','33f7382b1fccab668ffa8b64f8ee4a492f0d916e9c9b4a8faa294f47525cb9b7','c51e81ee04e9b48016113b65c965f4d3f10ff142100733b3a71f8d50b8827fea');
INSERT INTO "audit" VALUES(7,'2026-03-01T12:00:16+00:00','transition','{"at":"2026-03-01T12:00:16Z","detail":"","epoch":1,"execution_id":"x-worse","from_state":"admitted","policy_id":"pol-2","reason":"best_candidate","remediation":"block_source","target":"node-7","to_state":"applying"}','c51e81ee04e9b48016113b65c965f4d3f10ff142100733b3a71f8d50b8827fea','f6cdc6ae9e1aad9eaa08771da3d394f5613832e0a00e976de66f1bd3d92d79a8');
INSERT INTO "audit" VALUES(8,'2026-03-01T12:00:19+00:00','transition','{"at":"2026-03-01T12:00:19Z","detail":"","epoch":1,"execution_id":"x-worse","from_state":"applying","policy_id":"pol-2","reason":"best_candidate","remediation":"block_source","target":"node-7","to_state":"verifying"}','f6cdc6ae9e1aad9eaa08771da3d394f5613832e0a00e976de66f1bd3d92d79a8','ad3be7cf0fd8036d6a8cabe463fa6e13be9b449c2ec7af7d54e54ddf3c4825dd');
INSERT INTO "audit" VALUES(9,'2026-03-01T12:00:00+00:00','transition','{"at":"2026-03-01T12:00:00Z","detail":"","epoch":1,"execution_id":"x-worse","from_state":"verifying","policy_id":"pol-2","reason":"made_worse","remediation":"block_source","target":"node-7","to_state":"rolling_back"}','ad3be7cf0fd8036d6a8cabe463fa6e13be9b449c2ec7af7d54e54ddf3c4825dd','070fde4dc10b07895c29d6acb1981153ce6b412143d9d177950d05f5a03562ba');
INSERT INTO "audit" VALUES(10,'2026-03-01T12:00:00+00:00','transition','{"at":"2026-03-01T12:00:00Z","detail":"","epoch":1,"execution_id":"x-open","from_state":null,"policy_id":null,"reason":"best_candidate","remediation":"block_source","target":"node-7","to_state":"admitted"}','070fde4dc10b07895c29d6acb1981153ce6b412143d9d177950d05f5a03562ba','b83ef1c61b612e7676b46b391b670f1008b8ea97f33f18431050ad58d4023a38');
INSERT INTO "audit" VALUES(11,'2026-03-01T12:00:26+00:00','transition','{"at":"2026-03-01T12:00:26Z","detail":"","epoch":1,"execution_id":"x-open","from_state":"admitted","policy_id":"pol-3","reason":"best_candidate","remediation":"block_source","target":"node-7","to_state":"applying"}','b83ef1c61b612e7676b46b391b670f1008b8ea97f33f18431050ad58d4023a38','522e4a1a0d3747394e698c7255a2f63ff8414e4e66270ac232aa18db49ca68a1');
INSERT INTO "audit" VALUES(12,'2026-03-01T12:00:29+00:00','transition','{"at":"2026-03-01T12:00:29Z","detail":"","epoch":1,"execution_id":"x-open","from_state":"applying","policy_id":"pol-3","reason":"best_candidate","remediation":"block_source","target":"node-7","to_state":"verifying"}','522e4a1a0d3747394e698c7255a2f63ff8414e4e66270ac232aa18db49ca68a1','b4504520a674692e1df50a1a2cda292623d6dacb0fbc19dac2ba01cae478139b');
INSERT INTO "audit" VALUES(13,'2026-03-01T12:00:00+00:00','transition','{"at":"2026-03-01T12:00:00Z","detail":"","epoch":1,"execution_id":"x-intent","from_state":null,"policy_id":null,"reason":"best_candidate","remediation":"block_source","target":"node-7","to_state":"admitted"}','b4504520a674692e1df50a1a2cda292623d6dacb0fbc19dac2ba01cae478139b','7cb3b5a43f71a8e8e3f1a736c85a2ec32420c57820c4ee709ee93600e36c6170');
INSERT INTO "audit" VALUES(14,'2026-03-01T12:00:43+00:00','pause','{"by":"operator","comment":"a look","since":"2026-03-01T12:00:00Z"}','7cb3b5a43f71a8e8e3f1a736c85a2ec32420c57820c4ee709ee93600e36c6170','90b519448a2122de8751d21f5db9ba1578b2cc7b56b99e9cdcd3cc96aa759c5d');
CREATE TABLE cycles (
	cycle_id VARCHAR NOT NULL, 
	as_of DATETIME NOT NULL, 
	woken_by VARCHAR NOT NULL, 
	result VARCHAR, 
	failure TEXT NOT NULL, 
	document TEXT NOT NULL, 
	CONSTRAINT pk_cycles PRIMARY KEY (cycle_id)
);
INSERT INTO "cycles" VALUES('c-1','2026-03-01 12:00:00.000000','webhook','completed','','{"cycle_id":"c-1","as_of":"2026-03-01T12:00:00Z","woken_by":"webhook","late_seconds":null,"result":"completed","failure":"","is_store_up":true,"seconds":1.7,"timings":[{"phase":"monitor","seconds":1.2,"budget_seconds":1.0},{"phase":"analyze","seconds":0.05,"budget_seconds":2.0},{"phase":"plan","seconds":0.01,"budget_seconds":3.0},{"phase":"execute","seconds":0.4,"budget_seconds":5.0}],"assessment":{"as_of":"2026-03-01T12:00:00Z","incidents":[{"incident_id":"i-1","opened_at":"2026-03-01T11:55:00Z","causes":[{"finding":{"pack":"charter","symptom":"forbidden_metric_spike","target":"node-7","severity":"critical","since":"2026-03-01T11:55:00Z","evidence":[{"detector":"alert","what":"ForbiddenMetricSpike","reading":null,"limit":null,"detail":"firing since 11:55"},{"detector":"threshold","what":"charter/attempt_rate","reading":{"quality":"value","detail":"","observed":31.4},"limit":10,"detail":""}],"hold":null,"is_inhibited":false},"confidence":0.9,"is_explained":false,"terms":{"own evidence":0.9}}],"risk":{"score":72.0,"terms":{"severity":50.0,"spread":22.0}}},{"incident_id":"i-2","opened_at":"2026-03-01T11:55:00Z","causes":[{"finding":{"pack":"charter","symptom":"forbidden_metric_spike","target":"node-8","severity":"critical","since":"2026-03-01T11:55:00Z","evidence":[{"detector":"alert","what":"ForbiddenMetricSpike","reading":null,"limit":null,"detail":"firing since 11:55"},{"detector":"threshold","what":"charter/attempt_rate","reading":{"quality":"value","detail":"","observed":31.4},"limit":10,"detail":""}],"hold":null,"is_inhibited":false},"confidence":0.9,"is_explained":false,"terms":{"own evidence":0.9}}],"risk":{"score":72.0,"terms":{"severity":50.0,"spread":22.0}}}],"judgements":[],"expiring":[],"blind":[],"closed":[],"population":{},"next_look_at":null},"plan":{"as_of":"2026-03-01T12:00:00Z","decisions":[{"incident_id":"i-1","reason":"best_candidate","action":{"execution_id":"x-1","incident_id":"i-1","pack":"charter","symptom":"forbidden_metric_spike","remediation":"block_source","target":"node-7","request":{"name":"block-source-node-7","kind":"block_source","scope":{"node_or_service":"node-7"},"parameters":{},"ttl_seconds":null,"reason":"","source":"mape-k","incident_id":"","not_after":null,"dry_run":false},"baseline":31.4,"score":0.2},"candidates":[]},{"incident_id":"i-2","reason":"cooldown","action":null,"candidates":[{"remediation":"block_source","score":0.3,"terms":{},"refusal":"cooldown"},{"remediation":null,"score":0,"terms":{},"refusal":null}]}],"follow_ups":[],"refusal":null},"executed":["x-1"],"notices":{"confirmed":0,"unconfirmed":0,"unannounced":0}}');
CREATE TABLE executions (
	execution_id VARCHAR NOT NULL, 
	incident_id VARCHAR NOT NULL, 
	pack VARCHAR NOT NULL, 
	symptom VARCHAR NOT NULL, 
	remediation VARCHAR NOT NULL, 
	target VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	epoch INTEGER NOT NULL, 
	request TEXT NOT NULL, 
	admitted_at DATETIME NOT NULL, 
	updated_at DATETIME NOT NULL, 
	baseline FLOAT, 
	policy_id VARCHAR, 
	applied_at DATETIME, 
	expires_at DATETIME, 
	renewals INTEGER NOT NULL, 
	observation TEXT NOT NULL, 
	verdict VARCHAR, 
	reason VARCHAR, 
	detail TEXT NOT NULL, 
	explanation TEXT NOT NULL, 
	CONSTRAINT pk_executions PRIMARY KEY (execution_id)
);
INSERT INTO "executions" VALUES('x-healed','i-1','charter','forbidden_metric_spike','block_source','node-7','succeeded',1,'{"name":"block-source-x-healed","kind":"block_source","scope":{"node_or_service":"node-7"},"parameters":{"burst":3},"ttl_seconds":3600.0,"reason":"","source":"mape-k","incident_id":"","not_after":"2026-03-01T12:01:00Z","dry_run":false}','2026-03-01 12:00:00.000000','2026-03-01 12:00:00.000000',31.4,'pol-1',NULL,NULL,0,'{"good":0,"bad":0,"good_since":null,"last_sample_at":null,"last_value":null}','improved','verified','','{"why":"a test"}');
INSERT INTO "executions" VALUES('x-worse','i-1','charter','forbidden_metric_spike','block_source','node-7','rolling_back',1,'{"name":"block-source-x-worse","kind":"block_source","scope":{"node_or_service":"node-7"},"parameters":{"burst":3},"ttl_seconds":3600.0,"reason":"","source":"mape-k","incident_id":"","not_after":"2026-03-01T12:01:00Z","dry_run":false}','2026-03-01 12:00:00.000000','2026-03-01 12:00:00.000000',31.4,'pol-2',NULL,NULL,0,'{"good":0,"bad":0,"good_since":null,"last_sample_at":null,"last_value":null}','worse','made_worse','','{"why":"a test"}');
INSERT INTO "executions" VALUES('x-open','i-1','charter','forbidden_metric_spike','block_source','node-7','verifying',1,'{"name":"block-source-x-open","kind":"block_source","scope":{"node_or_service":"node-7"},"parameters":{"burst":3},"ttl_seconds":3600.0,"reason":"","source":"mape-k","incident_id":"","not_after":"2026-03-01T12:01:00Z","dry_run":false}','2026-03-01 12:00:00.000000','2026-03-01 12:00:29.000000',31.4,'pol-3',NULL,'2026-03-01 13:00:00.000000',0,'{"good":0,"bad":0,"good_since":null,"last_sample_at":null,"last_value":null}',NULL,'best_candidate','','{"why":"a test"}');
INSERT INTO "executions" VALUES('x-intent','i-1','charter','forbidden_metric_spike','block_source','node-7','admitted',1,'{"name":"block-source-x-intent","kind":"block_source","scope":{"node_or_service":"node-7"},"parameters":{"burst":3},"ttl_seconds":3600.0,"reason":"","source":"mape-k","incident_id":"","not_after":"2026-03-01T12:01:00Z","dry_run":false}','2026-03-01 12:00:00.000000','2026-03-01 12:00:00.000000',31.4,NULL,NULL,NULL,0,'{"good":0,"bad":0,"good_since":null,"last_sample_at":null,"last_value":null}',NULL,'best_candidate','','{"why":"a test"}');
CREATE TABLE incidents (
	incident_id VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	pack VARCHAR NOT NULL, 
	symptom VARCHAR NOT NULL, 
	target VARCHAR NOT NULL, 
	opened_at DATETIME NOT NULL, 
	last_seen_at DATETIME NOT NULL, 
	closed_at DATETIME, 
	document TEXT NOT NULL, 
	decision TEXT NOT NULL, 
	CONSTRAINT pk_incidents PRIMARY KEY (incident_id)
);
INSERT INTO "incidents" VALUES('i-1','open','charter','forbidden_metric_spike','node-7','2026-03-01 11:55:00.000000','2026-03-01 12:00:00.000000',NULL,'{"incident_id":"i-1","opened_at":"2026-03-01T11:55:00Z","causes":[{"finding":{"pack":"charter","symptom":"forbidden_metric_spike","target":"node-7","severity":"critical","since":"2026-03-01T11:55:00Z","evidence":[{"detector":"alert","what":"ForbiddenMetricSpike","reading":null,"limit":null,"detail":"firing since 11:55"},{"detector":"threshold","what":"charter/attempt_rate","reading":{"quality":"value","detail":"","observed":31.4},"limit":10,"detail":""}],"hold":null,"is_inhibited":false},"confidence":0.9,"is_explained":false,"terms":{"own evidence":0.9}}],"risk":{"score":72.0,"terms":{"severity":50.0,"spread":22.0}},"severity":"critical"}','{"incident_id":"i-1","reason":"best_candidate","action":{"execution_id":"x-1","incident_id":"i-1","pack":"charter","symptom":"forbidden_metric_spike","remediation":"block_source","target":"node-7","request":{"name":"block-source-node-7","kind":"block_source","scope":{"node_or_service":"node-7"},"parameters":{},"ttl_seconds":null,"reason":"","source":"mape-k","incident_id":"","not_after":null,"dry_run":false},"baseline":31.4,"score":0.2},"candidates":[]}');
INSERT INTO "incidents" VALUES('i-2','open','charter','forbidden_metric_spike','node-8','2026-03-01 11:55:00.000000','2026-03-01 12:00:00.000000',NULL,'{"incident_id":"i-2","opened_at":"2026-03-01T11:55:00Z","causes":[{"finding":{"pack":"charter","symptom":"forbidden_metric_spike","target":"node-8","severity":"critical","since":"2026-03-01T11:55:00Z","evidence":[{"detector":"alert","what":"ForbiddenMetricSpike","reading":null,"limit":null,"detail":"firing since 11:55"},{"detector":"threshold","what":"charter/attempt_rate","reading":{"quality":"value","detail":"","observed":31.4},"limit":10,"detail":""}],"hold":null,"is_inhibited":false},"confidence":0.9,"is_explained":false,"terms":{"own evidence":0.9}}],"risk":{"score":72.0,"terms":{"severity":50.0,"spread":22.0}},"severity":"critical"}','{"incident_id":"i-2","reason":"cooldown","action":null,"candidates":[{"remediation":"block_source","score":0.3,"terms":{},"refusal":"cooldown"},{"remediation":null,"score":0,"terms":{},"refusal":null}]}');
CREATE TABLE meta (
	name VARCHAR NOT NULL, 
	document TEXT NOT NULL, 
	CONSTRAINT pk_meta PRIMARY KEY (name)
);
INSERT INTO "meta" VALUES('epoch','1');
INSERT INTO "meta" VALUES('sight_lost_at','{"charter":"2026-03-01T12:00:00Z"}');
INSERT INTO "meta" VALUES('keys_echoed','"http://charter"');
INSERT INTO "meta" VALUES('pause','{"since":"2026-03-01T12:00:00Z","by":"operator","comment":"a look"}');
CREATE TABLE notices (
	fingerprint VARCHAR NOT NULL, 
	starts_at VARCHAR NOT NULL, 
	status VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	labels TEXT NOT NULL, 
	group_key VARCHAR NOT NULL, 
	received_at DATETIME NOT NULL, 
	first_received_at DATETIME NOT NULL, 
	times INTEGER NOT NULL, 
	CONSTRAINT pk_notices PRIMARY KEY (fingerprint, starts_at, status)
);
INSERT INTO "notices" VALUES('f-1','','firing','Ill','{"alertname":"Ill"}','g','2026-03-01 12:00:39+00:00','2026-03-01 12:00:39+00:00',1);
CREATE TABLE outcomes (
	number INTEGER NOT NULL, 
	execution_id VARCHAR NOT NULL, 
	at DATETIME NOT NULL, 
	pack VARCHAR NOT NULL, 
	remediation VARCHAR NOT NULL, 
	symptom VARCHAR NOT NULL, 
	target VARCHAR NOT NULL, 
	verdict VARCHAR NOT NULL, 
	success BOOLEAN, 
	CONSTRAINT pk_outcomes PRIMARY KEY (number), 
	CONSTRAINT fk_outcomes_execution_id FOREIGN KEY(execution_id) REFERENCES executions (execution_id)
);
INSERT INTO "outcomes" VALUES(1,'x-healed','2026-03-01 12:00:00.000000','charter','block_source','forbidden_metric_spike','node-7','improved',1);
INSERT INTO "outcomes" VALUES(2,'x-worse','2026-03-01 12:00:00.000000','charter','block_source','forbidden_metric_spike','node-7','worse',0);
CREATE TABLE snapshots (
	cycle_id VARCHAR NOT NULL, 
	as_of DATETIME NOT NULL, 
	size_bytes INTEGER NOT NULL, 
	recorded BLOB NOT NULL, 
	CONSTRAINT pk_snapshots PRIMARY KEY (cycle_id), 
	CONSTRAINT fk_snapshots_cycle_id FOREIGN KEY(cycle_id) REFERENCES cycles (cycle_id) ON DELETE CASCADE
);
INSERT INTO "snapshots" VALUES('c-1','2026-03-01 12:00:00.000000',397,X'0178016D52314E2B3110CD212828A991100D12504105D5AF38C06A7677363178EDC5330E5A28080821CA20380011B016C91720C411E8E8E9B9051D986C1C088A9BB167FC3C6FDEF3D92D50A4B3B74F7133BFEEDA98B03674FC9CB4C0309A4560C6BCE0C800E36945A2A9404E2DBA5D0B527079DB0669B14A9141C82BC7609AC87451299DE2C2721D56EAB05A498851D245A7D3A986307A99CD866B6DBD31B13E0E1F0223E999A8A40C64FEE6038F815506C1836219D83816396ACB815477D4BF1B9A372A906898CECF0699504D3485118A7BD98D821C9F37B489459AA2FA876C44B255881D1CBDD0B9233F2853045C0BD9B745EA79A6E384239BE760CAAB0109E9F9FB525C76FF0BD512B1F8BEE84FF775F76842C97E5B683FB2D08ABA4F3FFBF1A56F774A47898102E9A807A7D7DB3AEE419061D28E47857B481C11E485C4406E2908D2E88FEC8A6CD170A4AD49908EFB85D139720B2D9D0C95F89598DEC611265AA5F4BA76B9FFBE793F73E046E6D5F8700AE029563D79BCF27FD18F3D6730B384E9F8D1F031BE005BF12F10');
CREATE TABLE success_rates (
	pack VARCHAR NOT NULL, 
	remediation VARCHAR NOT NULL, 
	symptom VARCHAR NOT NULL, 
	successes INTEGER NOT NULL, 
	failures INTEGER NOT NULL, 
	CONSTRAINT pk_success_rates PRIMARY KEY (pack, remediation, symptom)
);
INSERT INTO "success_rates" VALUES('charter','block_source','forbidden_metric_spike',1,1);
CREATE TABLE transitions (
	number INTEGER NOT NULL, 
	execution_id VARCHAR NOT NULL, 
	at DATETIME NOT NULL, 
	epoch INTEGER NOT NULL, 
	from_state VARCHAR, 
	to_state VARCHAR NOT NULL, 
	reason VARCHAR, 
	detail TEXT NOT NULL, 
	CONSTRAINT pk_transitions PRIMARY KEY (number), 
	CONSTRAINT fk_transitions_execution_id FOREIGN KEY(execution_id) REFERENCES executions (execution_id)
);
INSERT INTO "transitions" VALUES(1,'x-healed','2026-03-01 12:00:00.000000',1,NULL,'admitted','best_candidate','');
INSERT INTO "transitions" VALUES(2,'x-healed','2026-03-01 12:00:06.000000',1,'admitted','applying','best_candidate','');
INSERT INTO "transitions" VALUES(3,'x-healed','2026-03-01 12:00:09.000000',1,'applying','verifying','best_candidate','');
INSERT INTO "transitions" VALUES(4,'x-healed','2026-03-01 12:00:00.000000',1,'verifying','succeeded','verified','');
INSERT INTO "transitions" VALUES(5,'x-worse','2026-03-01 12:00:00.000000',1,NULL,'admitted','best_candidate','');
INSERT INTO "transitions" VALUES(6,'x-worse','2026-03-01 12:00:16.000000',1,'admitted','applying','best_candidate','');
INSERT INTO "transitions" VALUES(7,'x-worse','2026-03-01 12:00:19.000000',1,'applying','verifying','best_candidate','');
INSERT INTO "transitions" VALUES(8,'x-worse','2026-03-01 12:00:00.000000',1,'verifying','rolling_back','made_worse','');
INSERT INTO "transitions" VALUES(9,'x-open','2026-03-01 12:00:00.000000',1,NULL,'admitted','best_candidate','');
INSERT INTO "transitions" VALUES(10,'x-open','2026-03-01 12:00:26.000000',1,'admitted','applying','best_candidate','');
INSERT INTO "transitions" VALUES(11,'x-open','2026-03-01 12:00:29.000000',1,'applying','verifying','best_candidate','');
INSERT INTO "transitions" VALUES(12,'x-intent','2026-03-01 12:00:00.000000',1,NULL,'admitted','best_candidate','');
CREATE INDEX ix_cycles_as_of_cycle_id ON cycles (as_of, cycle_id);
CREATE INDEX ix_cycles_result ON cycles (result);
CREATE INDEX ix_incidents_state ON incidents (state);
CREATE INDEX ix_incidents_opened_at_incident_id ON incidents (opened_at, incident_id);
CREATE INDEX ix_executions_incident_id ON executions (incident_id);
CREATE INDEX ix_executions_state ON executions (state);
CREATE INDEX ix_executions_admitted_at_execution_id ON executions (admitted_at, execution_id);
CREATE INDEX ix_notices_received_at ON notices (received_at);
CREATE INDEX ix_snapshots_as_of_cycle_id_size_bytes ON snapshots (as_of, cycle_id, size_bytes);
CREATE INDEX ix_transitions_execution_id_number ON transitions (execution_id, number);
CREATE INDEX ix_outcomes_execution_id ON outcomes (execution_id);
COMMIT;
