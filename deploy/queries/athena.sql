-- The counts table of CloudTrail files, with Athena (engine version 3).
--
-- For the table that the CloudTrail console makes, or that AWS documents ("Create a table for CloudTrail logs in
-- Athena"), under the name `cloudtrail_logs`. Athena writes the result as CSV with a header to its result location:
-- that file is the counts table. Restrict `"timestamp"`, the partition, so that only the days asked for are read;
-- one day before the first and one after the last catch what was delivered late.
--
-- The documented table has no managementEvent: data events older than eventCategory (2019) count as management.
-- What each column means is said in README.md.
WITH field AS (
    SELECT
        eventid AS id,
        substr(eventtime, 1, 16) || ':00Z' AS minute,
        coalesce(
            nullif(recipientaccountid, ''),
            nullif(useridentity.accountid, ''),
            regexp_extract("$path", 'AWSLogs/(?:o-[^/]+/)?([^/]+)/', 1),
            'unknown') AS account,
        coalesce(
            nullif(awsregion, ''),
            regexp_extract("$path", 'AWSLogs/(?:o-[^/]+/)?[^/]+/[^/]+/([^/]+)/', 1),
            'unknown') AS region,
        eventsource AS source,
        eventname AS name,
        coalesce(nullif(eventcategory, ''), 'Management') AS category,
        nullif(readonly, '') AS readonly,
        nullif(errorcode, '') AS errorcode,
        coalesce(
            nullif(regexp_replace(useridentity.arn, '^(arn:.*?:assumed-role/[^/]*)/.*$', '$1'), ''),
            nullif(useridentity.sessioncontext.sessionissuer.arn, ''),
            nullif(useridentity.invokedby, ''),
            nullif(regexp_replace(useridentity.principalid, '^(AROA[^:]*):.*$', '$1'), ''),
            nullif(useridentity.username, ''),
            nullif(useridentity.accountid, ''),
            nullif(useridentity.type, '')) AS principal,
        nullif(regexp_replace(useragent, '[\r\n]', ' '), '') AS useragent
    FROM cloudtrail_logs
    WHERE "timestamp" BETWEEN '2026/03/01' AND '2026/03/31'
),
once AS (
    SELECT *, row_number() OVER (PARTITION BY id, minute) AS copy
    FROM field
    WHERE category IN ('Management', 'Data')
)
SELECT
    minute, account, region, source, name, category, readonly, errorcode, principal, useragent,
    count(*) AS calls
FROM once
WHERE copy = 1 OR coalesce(id, '') = ''
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
ORDER BY minute
