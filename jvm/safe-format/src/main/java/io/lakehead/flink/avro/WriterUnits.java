package io.lakehead.flink.avro;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.flink.avro.shaded.org.apache.avro.LogicalType;
import org.apache.flink.avro.shaded.org.apache.avro.LogicalTypes;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.Schema.Field;

/**
 * Takes the units of the schema that a record was written with over into the schema it is read
 * with.
 *
 * <p>Avro resolves the two by their plain types alone: a long that was written in milliseconds and
 * is read in microseconds stays the same number, off by a factor of a thousand, and so does a
 * decimal of another scale.
 */
final class WriterUnits {

  private static final Set<String> INSTANTS =
      Set.of("timestamp-millis", "timestamp-micros", "timestamp-nanos");
  private static final Set<String> LOCAL =
      Set.of("local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos");

  private WriterUnits() {}

  /**
   * {@code reader} with the writer's logical types. Throws where both state different things, such
   * as a date and a number.
   */
  static Schema applied(Schema reader, Schema writer) throws IOException {
    return applied(reader, writer, "");
  }

  private static Schema applied(Schema reader, Schema writer, String path) throws IOException {
    if (reader.getType() == Schema.Type.UNION) {
      List<Schema> branches = new ArrayList<>();
      for (Schema branch : reader.getTypes()) {
        branches.add(branch.getType() == Schema.Type.NULL ? branch : applied(branch, writer, path));
      }
      return Schema.createUnion(branches);
    }
    if (writer.getType() == Schema.Type.UNION) {
      Schema of = branchLike(reader, writer);
      return of == null ? reader : applied(reader, of, path);
    }
    if (reader.getType() == Schema.Type.RECORD && writer.getType() == Schema.Type.RECORD) {
      return record(reader, writer, path);
    }
    if (reader.getType() == Schema.Type.ARRAY && writer.getType() == Schema.Type.ARRAY) {
      return Schema.createArray(
          applied(reader.getElementType(), writer.getElementType(), path + "[]"));
    }
    if (reader.getType() == Schema.Type.MAP && writer.getType() == Schema.Type.MAP) {
      return Schema.createMap(applied(reader.getValueType(), writer.getValueType(), path + "{}"));
    }
    return scalar(reader, writer, path);
  }

  private static Schema record(Schema reader, Schema writer, String path) throws IOException {
    List<Field> fields = new ArrayList<>();
    for (Field field : reader.getFields()) {
      Field from = writtenAs(field, writer);
      String name = path.isEmpty() ? field.name() : path + "." + field.name();
      Schema type = from == null ? field.schema() : applied(field.schema(), from.schema(), name);
      Field copy = new Field(field.name(), type, field.doc(), field.defaultVal());
      field.aliases().forEach(copy::addAlias);
      fields.add(copy);
    }
    Schema copy =
        Schema.createRecord(reader.getName(), reader.getDoc(), reader.getNamespace(), false);
    copy.setFields(fields);
    reader.getAliases().forEach(copy::addAlias);
    return copy;
  }

  private static Field writtenAs(Field field, Schema writer) {
    Field same = writer.getField(field.name());
    for (String alias : field.aliases()) {
      same = same == null ? writer.getField(alias) : same;
    }
    return same;
  }

  private static Schema branchLike(Schema reader, Schema union) {
    for (Schema branch : union.getTypes()) {
      if (branch.getType() == reader.getType()) {
        return branch;
      }
    }
    return null;
  }

  private static Schema scalar(Schema reader, Schema writer, String path) throws IOException {
    LogicalType read = reader.getLogicalType();
    LogicalType written = writer.getLogicalType();
    if (reader.getType() != writer.getType() || name(read).equals(name(written))) {
      return bothDecimal(read, written) ? writer : reader;
    }
    boolean sameClock = inBoth(INSTANTS, read, written) || inBoth(LOCAL, read, written);
    if (sameClock) {
      return writer;
    }
    // A string may be a UUID; any other meaning that only one side knows changes the value.
    if (reader.getType() == Schema.Type.STRING) {
      return reader;
    }
    throw new IOException(
        String.format("%s: written as %s, read as %s", path, shown(writer), shown(reader)));
  }

  private static boolean bothDecimal(LogicalType a, LogicalType b) {
    return a instanceof LogicalTypes.Decimal && b instanceof LogicalTypes.Decimal;
  }

  private static boolean inBoth(Set<String> names, LogicalType a, LogicalType b) {
    return names.contains(name(a)) && names.contains(name(b));
  }

  private static String name(LogicalType type) {
    return type == null ? "" : type.getName();
  }

  private static String shown(Schema schema) {
    String plain = schema.getType().getName();
    return schema.getLogicalType() == null
        ? "plain " + plain
        : schema.getLogicalType().getName() + " (" + plain + ")";
  }
}
