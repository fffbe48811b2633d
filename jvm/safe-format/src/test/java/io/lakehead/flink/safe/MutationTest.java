package io.lakehead.flink.safe;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.apache.flink.table.data.GenericRowData;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Random damage to a good record: one row each time, and the next good record is as good as ever.
 */
class MutationTest {

  private static final int ROUNDS = 2_000;

  static Stream<Arguments> formats() {
    String parser = "json.decode.json-parser.enabled";
    String[] fastJson = {parser, "true", "json.timestamp-format.standard", "ISO-8601"};
    return Stream.of(
        Arguments.of("json", Samples.json(), Samples.JSON_OPTIONS),
        Arguments.of("json", Samples.json(), fastJson),
        Arguments.of("strict-json", Samples.json(), new String[0]),
        Arguments.of("csv", Samples.csv(), new String[0]),
        Arguments.of("avro", Samples.avro(), new String[0]));
  }

  @ParameterizedTest
  @MethodSource("formats")
  void oneRowForEachRecord(String inner, byte[] good, String[] options) throws Exception {
    Decoding decoding = Decoding.of(inner, Samples.ORDER, options);
    GenericRowData expected = decoding.one(good);
    assertNull(decoding.error(expected));
    Random random = new Random(20_260_102);
    for (int round = 0; round < ROUNDS; round++) {
      byte[] damaged = damage(good, random);
      GenericRowData row = decoding.one(damaged);
      assertArrayEquals(damaged, (byte[]) decoding.raw(row));
      assertEquals(expected, decoding.one(good), () -> "spoiled by " + Arrays.toString(damaged));
    }
  }

  private static byte[] damage(byte[] good, Random random) {
    byte[] record = good.clone();
    switch (random.nextInt(4)) {
      case 0 -> record = Arrays.copyOf(record, random.nextInt(record.length + 1));
      case 1 -> record = Samples.concat(record, noise(random, 1 + random.nextInt(40)));
      case 2 -> record = noise(random, random.nextInt(60));
      default -> {
        for (int i = random.nextInt(4); i >= 0; i--) {
          record[random.nextInt(record.length)] = (byte) random.nextInt(256);
        }
      }
    }
    return record;
  }

  private static byte[] noise(Random random, int length) {
    byte[] bytes = new byte[length];
    random.nextBytes(bytes);
    return bytes;
  }
}
