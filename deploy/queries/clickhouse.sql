-- The counts table of CloudTrail files, with ClickHouse.
--
--     clickhouse local --param_logs 'AWSLogs/*/CloudTrail/**/*.json.gz' --queries-file clickhouse.sql > counts.tsv
--
-- For a bucket, s3({logs:String}, 'JSONAsString') in place of file(…). For a table of records, take its columns in
-- place of those of `field`. What each column means is said in README.md.
WITH
    record AS (
        SELECT arrayJoin(JSONExtractArrayRaw(json, 'Records')) AS r, _path AS path
        FROM file({logs:String}, 'JSONAsString', 'json String')
    ),
    field AS (
        SELECT
            JSONExtractString(r, 'eventID') AS id,
            concat(substring(JSONExtractString(r, 'eventTime'), 1, 16), ':00Z') AS minute,
            coalesce(
                nullIf(JSONExtractString(r, 'recipientAccountId'), ''),
                nullIf(JSONExtractString(r, 'userIdentity', 'accountId'), ''),
                nullIf(extract(path, 'AWSLogs/(?:o-[^/]+/)?([^/]+)/'), ''),
                'unknown') AS account,
            coalesce(
                nullIf(JSONExtractString(r, 'awsRegion'), ''),
                nullIf(extract(path, 'AWSLogs/(?:o-[^/]+/)?[^/]+/[^/]+/([^/]+)/'), ''),
                'unknown') AS region,
            JSONExtractString(r, 'eventSource') AS source,
            JSONExtractString(r, 'eventName') AS name,
            coalesce(
                nullIf(JSONExtractString(r, 'eventCategory'), ''),
                if(JSONExtractRaw(r, 'managementEvent') = 'false', 'Data', 'Management')) AS category,
            if(JSONExtractRaw(r, 'readOnly') IN ('true', 'false'), JSONExtractRaw(r, 'readOnly'), NULL) AS readOnly,
            nullIf(JSONExtractString(r, 'errorCode'), '') AS errorCode,
            coalesce(
                nullIf(replaceRegexpOne(
                    JSONExtractString(r, 'userIdentity', 'arn'), '^(arn:.*?:assumed-role/[^/]*)/.*$', '\\1'), ''),
                nullIf(JSONExtractString(r, 'userIdentity', 'sessionContext', 'sessionIssuer', 'arn'), ''),
                nullIf(JSONExtractString(r, 'userIdentity', 'invokedBy'), ''),
                nullIf(replaceRegexpOne(
                    JSONExtractString(r, 'userIdentity', 'principalId'), '^(AROA[^:]*):.*$', '\\1'), ''),
                nullIf(JSONExtractString(r, 'userIdentity', 'userName'), ''),
                nullIf(JSONExtractString(r, 'userIdentity', 'accountId'), ''),
                nullIf(JSONExtractString(r, 'userIdentity', 'type'), '')) AS principal,
            nullIf(replaceRegexpAll(JSONExtractString(r, 'userAgent'), '[\r\n]', ' '), '') AS userAgent
        FROM record
        WHERE JSONExtractString(r, 'eventTime') != '' AND category IN ('Management', 'Data')
    ),
    once AS (
        SELECT *, row_number() OVER (PARTITION BY id, minute) AS copy
        FROM field
    )
SELECT
    minute, account, region, source, name, category, readOnly, errorCode, principal, userAgent,
    count() AS calls
FROM once
WHERE copy = 1 OR id = ''
GROUP BY minute, account, region, source, name, category, readOnly, errorCode, principal, userAgent
ORDER BY minute
FORMAT TSVWithNames
