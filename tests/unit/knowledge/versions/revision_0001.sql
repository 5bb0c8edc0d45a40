BEGIN TRANSACTION;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE cycles (
	cycle_id VARCHAR NOT NULL, 
	as_of DATETIME NOT NULL, 
	woken_by VARCHAR NOT NULL, 
	result VARCHAR, 
	failure TEXT NOT NULL, 
	document TEXT NOT NULL, 
	CONSTRAINT pk_cycles PRIMARY KEY (cycle_id)
);
INSERT INTO "cycles" VALUES('c-1','2026-03-01 12:00:00.000000','webhook','completed','','{"cycle_id":"c-1","as_of":"2026-03-01T12:00:00Z","woken_by":"webhook","late_seconds":null,"result":"completed","failure":"","is_store_up":true,"seconds":1.7,"timings":[{"phase":"monitor","seconds":1.2,"budget_seconds":1.0},{"phase":"analyze","seconds":0.05,"budget_seconds":2.0},{"phase":"plan","seconds":0.01,"budget_seconds":3.0},{"phase":"execute","seconds":0.4,"budget_seconds":5.0}],"assessment":{"as_of":"2026-03-01T12:00:00Z","incidents":[{"incident_id":"i-1","opened_at":"2026-03-01T11:55:00Z","causes":[{"finding":{"pack":"charter","symptom":"forbidden_metric_spike","target":"node-7","severity":"critical","since":"2026-03-01T11:55:00Z","evidence":[{"detector":"alert","what":"ForbiddenMetricSpike","reading":null,"limit":null,"detail":"firing since 11:55"},{"detector":"threshold","what":"charter/attempt_rate","reading":{"quality":"value","detail":"","observed":31.4},"limit":10,"detail":""}],"hold":null,"is_inhibited":false},"confidence":0.9,"is_explained":false,"terms":{"own evidence":0.9}}],"risk":{"score":72.0,"terms":{"severity":50.0,"spread":22.0}}},{"incident_id":"i-2","opened_at":"2026-03-01T11:55:00Z","causes":[{"finding":{"pack":"charter","symptom":"forbidden_metric_spike","target":"node-8","severity":"critical","since":"2026-03-01T11:55:00Z","evidence":[{"detector":"alert","what":"ForbiddenMetricSpike","reading":null,"limit":null,"detail":"firing since 11:55"},{"detector":"threshold","what":"charter/attempt_rate","reading":{"quality":"value","detail":"","observed":31.4},"limit":10,"detail":""}],"hold":null,"is_inhibited":false},"confidence":0.9,"is_explained":false,"terms":{"own evidence":0.9}}],"risk":{"score":72.0,"terms":{"severity":50.0,"spread":22.0}}}],"judgements":[],"expiring":[],"blind":[],"closed":[],"population":{},"next_look_at":null},"plan":{"as_of":"2026-03-01T12:00:00Z","decisions":[{"incident_id":"i-1","reason":"best_candidate","action":{"execution_id":"x-1","incident_id":"i-1","pack":"charter","symptom":"forbidden_metric_spike","remediation":"block_source","target":"node-7","request":{"name":"block-source-node-7","kind":"block_source","scope":{"node_or_service":"node-7"},"parameters":{},"ttl_seconds":null,"reason":"","source":"mape-k","incident_id":"","not_after":null,"dry_run":false},"baseline":31.4,"score":0.2},"candidates":[]},{"incident_id":"i-2","reason":"cooldown","action":null,"candidates":[{"remediation":"block_source","score":0.3,"terms":{},"refusal":"cooldown"},{"remediation":null,"score":0,"terms":{},"refusal":null}]}],"follow_ups":[],"refusal":null},"executed":["x-1"]}');
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
CREATE INDEX ix_cycles_result ON cycles (result);
CREATE INDEX ix_cycles_as_of_cycle_id ON cycles (as_of, cycle_id);
CREATE INDEX ix_incidents_state ON incidents (state);
CREATE INDEX ix_incidents_opened_at_incident_id ON incidents (opened_at, incident_id);
CREATE INDEX ix_executions_admitted_at_execution_id ON executions (admitted_at, execution_id);
CREATE INDEX ix_executions_state ON executions (state);
CREATE INDEX ix_executions_incident_id ON executions (incident_id);
CREATE INDEX ix_snapshots_as_of_cycle_id_size_bytes ON snapshots (as_of, cycle_id, size_bytes);
CREATE INDEX ix_transitions_execution_id_number ON transitions (execution_id, number);
CREATE INDEX ix_outcomes_execution_id ON outcomes (execution_id);
COMMIT;
