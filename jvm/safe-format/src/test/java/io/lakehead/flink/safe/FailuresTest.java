package io.lakehead.flink.safe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.net.ConnectException;
import java.net.SocketTimeoutException;
import java.nio.channels.ClosedByInterruptException;
import java.util.ArrayList;
import java.util.stream.Stream;
import org.apache.flink.api.common.functions.util.ListCollector;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.table.data.RowData;
import org.apache.flink.util.Collector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is the record's fault becomes a row; what is not fails the task. */
class FailuresTest {

  static Stream<Throwable> ofEnvironment() {
    return Stream.of(
        new OutOfMemoryError("heap"),
        new NoClassDefFoundError("a/B"),
        new InterruptedException(),
        new ClosedByInterruptException(),
        new SocketTimeoutException("registry"),
        new ConnectException("registry"));
  }

  @ParameterizedTest
  @MethodSource("ofEnvironment")
  void failsTheTaskHoweverDeeplyWrapped(Throwable cause) throws Exception {
    Throwable wrapped = new IOException("Failed to deserialize", new IllegalStateException(cause));
    Decoding decoding = decoding(wrapped);
    Throwable thrown = assertThrows(Throwable.class, () -> decoding.one("x"));
    assertSame(cause instanceof Error ? cause : wrapped, thrown);
  }

  @Test
  void stackOverflowIsTheRecords() throws Exception {
    assertEquals("StackOverflowError", decoding(new StackOverflowError()).error("x"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"json", "strict-json"})
  void failureDownstreamIsNotTakenForTheRecords(String inner) throws Exception {
    Decoding json = Decoding.of(inner, Samples.ORDER, Samples.jsonOptions(inner));
    IllegalStateException downstream = new IllegalStateException("sink");
    Collector<RowData> sink =
        new ListCollector<>(new ArrayList<>()) {
          @Override
          public void collect(RowData row) {
            throw downstream;
          }
        };
    assertSame(
        downstream,
        assertThrows(
            IllegalStateException.class, () -> json.schema.deserialize(Samples.json(), sink)));
  }

  private static Decoding decoding(Throwable failure) throws Exception {
    return Decoding.opened(
        new SafeDeserializationSchema(
            new Failing(failure),
            null,
            new RowLayout(new int[] {0}, new int[] {RowLayout.ERROR, RowLayout.RAW}),
            new RecordRules(100, true, new RecordSyntax.Unchecked(), false, false)),
        1);
  }

  private static final class Failing implements DeserializationSchema<RowData> {
    private static final long serialVersionUID = 1L;

    private final Throwable failure;

    Failing(Throwable failure) {
      this.failure = failure;
    }

    @Override
    public RowData deserialize(byte[] record) throws IOException {
      if (failure instanceof Error) {
        throw (Error) failure;
      }
      throw (IOException) failure;
    }

    @Override
    public boolean isEndOfStream(RowData row) {
      return false;
    }

    @Override
    public TypeInformation<RowData> getProducedType() {
      return null;
    }
  }
}
