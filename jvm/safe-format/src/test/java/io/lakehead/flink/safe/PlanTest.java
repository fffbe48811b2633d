package io.lakehead.flink.safe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.regex.Pattern;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.StatementSet;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.ValidationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the planner makes of a Kafka table in the safe format. No broker is asked. */
class PlanTest {

  private static final String COLUMNS =
      """
        `id` STRING, `qty` INT, `at` STRING,
        `error` STRING METADATA FROM 'value.error' VIRTUAL,
        `bytes` BYTES METADATA FROM 'value.raw' VIRTUAL,
        `kafka_offset` BIGINT METADATA FROM 'offset' VIRTUAL,
        `rowtime` AS TO_TIMESTAMP(`at`),
        WATERMARK FOR `rowtime` AS `rowtime` - INTERVAL '5' SECOND
      """;

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "json | 'value.safe.json.timestamp-format.standard' = 'ISO-8601'",
        "strict-json | 'value.safe.strict-json.aliases' = 'number:id,count:qty'"
      })
  void oneScanServesThreeSinksAndMakesTheWatermark(String inner, String option) {
    TableEnvironment env = environment();
    env.executeSql(orders(inner, option));
    sink(env, "landing", "`id` STRING, `qty` INT, `kafka_offset` BIGINT");
    sink(env, "dead", "`error` STRING, `bytes` BYTES, `kafka_offset` BIGINT");
    sink(env, "marts", "`start` TIMESTAMP(3), `n` BIGINT");
    StatementSet set = env.createStatementSet();
    String good = "`error` IS NULL AND `qty` > 0";
    set.addInsertSql(
        "INSERT INTO landing SELECT `id`, `qty`, `kafka_offset` FROM orders WHERE " + good);
    set.addInsertSql(
        "INSERT INTO dead SELECT `error`, `bytes`, `kafka_offset` FROM orders WHERE NOT("
            + good
            + ") OR ("
            + good
            + ") IS NULL");
    set.addInsertSql(
        "INSERT INTO marts SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE orders,"
            + " DESCRIPTOR(`rowtime`), INTERVAL '10' SECOND)) WHERE "
            + good
            + " GROUP BY window_start, window_end");
    String plan = set.explain();
    String physical = plan.substring(plan.indexOf("== Optimized Execution Plan =="));

    assertEquals(1, count("TableSourceScan\\(", physical), physical);
    assertEquals(0, count("WatermarkAssigner", physical), physical);
    assertTrue(
        Pattern.compile("TableSourceScan\\(.*watermark=\\[").matcher(physical).find(), physical);
  }

  @Test
  void unknownInnerOptionIsRefused() {
    TableEnvironment env = environment();
    env.executeSql(orders("json", "'value.safe.json.timestamp-fromat' = 'SQL'"));
    refused(env, "timestamp-fromat");
  }

  @Test
  void aliasOfNoColumnIsRefused() {
    TableEnvironment env = environment();
    env.executeSql(orders("strict-json", "'value.safe.strict-json.aliases' = 'count:quantity'"));
    refused(env, "names 'count' as an alias of column 'quantity', but there is no such column");
  }

  private static void refused(TableEnvironment env, String expected) {
    Throwable error =
        assertThrows(ValidationException.class, () -> env.explainSql("SELECT * FROM orders"));
    StringBuilder text = new StringBuilder();
    for (Throwable t = error; t != null; t = t.getCause()) {
      text.append(t.getMessage());
    }
    assertTrue(text.toString().contains(expected), text::toString);
  }

  private static TableEnvironment environment() {
    return TableEnvironment.create(EnvironmentSettings.inStreamingMode());
  }

  private static String orders(String inner, String option) {
    return "CREATE TABLE orders ("
        + COLUMNS
        + ") WITH ('connector' = 'kafka', 'topic' = 'orders', 'scan.startup.mode' ="
        + " 'earliest-offset', 'properties.bootstrap.servers' = 'localhost:9', 'value.format' ="
        + " 'safe', 'value.safe.format' = '"
        + inner
        + "', 'value.safe.max-record-bytes' = '64kb', "
        + option
        + ")";
  }

  private static void sink(TableEnvironment env, String name, String columns) {
    env.executeSql("CREATE TABLE " + name + " (" + columns + ") WITH ('connector' = 'blackhole')");
  }

  private static long count(String regex, String text) {
    return Pattern.compile(regex).matcher(text).results().count();
  }
}
