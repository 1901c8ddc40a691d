-- The counts table of CloudTrail files, with DuckDB.
--
--     duckdb -c "SET VARIABLE logs = 's3://my-bucket/AWSLogs/*/CloudTrail/**/*.json.gz'" \
--            -c "SET VARIABLE counts = 'counts.csv.gz'" -f duckdb.sql
--
-- `logs` may be a list of globs. What each column means is said in README.md.
COPY (
    WITH record AS (
        SELECT unnest(Records) AS r, filename
        FROM read_json(
            getvariable('logs'), columns = {'Records': 'JSON[]'}, filename = true, maximum_object_size = 268435456)
    ),
    field AS (
        SELECT
            r->>'$.eventID' AS id,
            substr(r->>'$.eventTime', 1, 16) || ':00Z' AS minute,
            coalesce(
                nullif(r->>'$.recipientAccountId', ''),
                nullif(r->>'$.userIdentity.accountId', ''),
                nullif(regexp_extract(filename, 'AWSLogs/(?:o-[^/]+/)?([^/]+)/', 1), ''),
                'unknown') AS account,
            coalesce(
                nullif(r->>'$.awsRegion', ''),
                nullif(regexp_extract(filename, 'AWSLogs/(?:o-[^/]+/)?[^/]+/[^/]+/([^/]+)/', 1), ''),
                'unknown') AS region,
            r->>'$.eventSource' AS source,
            r->>'$.eventName' AS name,
            coalesce(
                nullif(r->>'$.eventCategory', ''),
                CASE WHEN r->>'$.managementEvent' = 'false' THEN 'Data' ELSE 'Management' END) AS category,
            r->>'$.readOnly' AS readOnly,
            nullif(r->>'$.errorCode', '') AS errorCode,
            coalesce(
                nullif(regexp_replace(r->>'$.userIdentity.arn', '^(arn:.*?:assumed-role/[^/]*)/.*$', '\1'), ''),
                nullif(r->>'$.userIdentity.sessionContext.sessionIssuer.arn', ''),
                nullif(r->>'$.userIdentity.invokedBy', ''),
                nullif(regexp_replace(r->>'$.userIdentity.principalId', '^(AROA[^:]*):.*$', '\1'), ''),
                nullif(r->>'$.userIdentity.userName', ''),
                nullif(r->>'$.userIdentity.accountId', ''),
                nullif(r->>'$.userIdentity.type', '')) AS principal,
            nullif(regexp_replace(r->>'$.userAgent', '[\r\n]', ' ', 'g'), '') AS userAgent
        FROM record
        WHERE r->>'$.eventTime' IS NOT NULL
    ),
    once AS (
        SELECT * FROM field
        WHERE category IN ('Management', 'Data')
        QUALIFY nullif(id, '') IS NULL OR row_number() OVER (PARTITION BY id, minute) = 1
    )
    SELECT
        minute, account, region, source, name, category, readOnly, errorCode, principal, userAgent,
        count(*) AS calls
    FROM once
    GROUP BY ALL
    ORDER BY minute
) TO (getvariable('counts')) (FORMAT csv, HEADER);
