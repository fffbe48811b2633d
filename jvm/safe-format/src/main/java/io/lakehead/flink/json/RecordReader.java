package io.lakehead.flink.json;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import javax.annotation.Nullable;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonLocation;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonParser;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonProcessingException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonStreamContext;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonToken;

/** Reads one record, and collects what is wrong with it. */
final class RecordReader {

  private static final int MAX_VALUE_CHARS = 100;
  private static final int MAX_PATH_CHARS = 200;
  private static final int MAX_BYTES_OF_CHARACTER = 4;

  final JsonParser parser;
  private final byte[] record;
  private final int start;
  private final JsonObject type;
  private TypeFailures failures = new TypeFailures();

  /**
   * @param parser over the record from {@code start}
   * @param type of the record
   */
  RecordReader(JsonParser parser, byte[] record, int start, JsonObject type) {
    this.parser = parser;
    this.record = record;
    this.start = start;
    this.type = type;
  }

  /** Reads the value at the parser's token. */
  @Nullable
  Object value(JsonType expected) throws IOException {
    JsonToken token = parser.currentToken();
    return token == JsonToken.VALUE_NULL ? null : expected.read(this, token);
  }

  /** Skips the value at the parser's token, which is not of the type that is expected. */
  @Nullable
  Object refuse(JsonType expected) throws IOException {
    if (failures.isFull()) {
      failures.addUntold();
      parser.skipChildren();
      return null;
    }
    int from = byteOf(parser.currentTokenLocation());
    parser.finishToken();
    parser.skipChildren();
    failures.add(path() + ".type: is " + excerpt(from, end()) + ", expected " + expected.name());
    return null;
  }

  /** The key at the parser's token has a meaning that another one had before. */
  void refuseRepeated() {
    failures.add(path() + ".repeated: is given more than once, expected once");
  }

  /** The key at the parser's token cannot be stored. */
  void refuseKey(String key) {
    failures.add(
        path()
            + ".type: is "
            + Printable.line(Printable.quoted(key), MAX_VALUE_CHARS)
            + ", expected string");
  }

  TypeFailures failures() {
    return failures;
  }

  /** Collects failures in another place from now on. */
  void collectInto(TypeFailures others) {
    failures = others;
  }

  /** How many bytes of the record the parser has read. */
  int end() {
    return byteOf(parser.currentLocation());
  }

  /** Which byte of the record the parser failed at. */
  int at(JsonProcessingException failure) {
    // What is over a limit of the parser comes without a place.
    JsonLocation location = failure.getLocation();
    return location == null ? end() : byteOf(location);
  }

  private int byteOf(JsonLocation location) {
    return start + (int) location.getByteOffset();
  }

  private String excerpt(int from, int to) {
    int bytes = Math.min(to - from, (MAX_VALUE_CHARS + 1) * MAX_BYTES_OF_CHARACTER);
    return Printable.line(new String(record, from, bytes, UTF_8), MAX_VALUE_CHARS);
  }

  private String path() {
    StringBuilder path = new StringBuilder();
    type(parser.getParsingContext(), path);
    return Printable.line(path.toString(), MAX_PATH_CHARS);
  }

  private JsonType type(JsonStreamContext context, StringBuilder path) {
    return context.inRoot() ? type : type(context.getParent(), path).member(context, path);
  }
}
