package io.lakehead.flink.safe;

import java.io.Serializable;
import javax.annotation.Nullable;

/**
 * What must hold for a record whatever its format. Each check returns the cause of a refusal, or
 * null.
 *
 * @param maxBytes largest record that is decoded, in bytes
 * @param oneRow whether a record holds exactly one row; a change log may put several into one
 *     record
 * @param syntax checks on the bytes of the record
 * @param avro whether the record must be used up by Avro's decoder
 * @param spoiledByFailure whether the inner schema must be renewed after a record it refused
 */
record RecordRules(
    int maxBytes, boolean oneRow, RecordSyntax syntax, boolean avro, boolean spoiledByFailure)
    implements Serializable {

  @Nullable
  String beforeDecoding(@Nullable byte[] record) {
    if (record == null) {
      return "tombstone: the record has no value";
    }
    if (record.length == 0) {
      return "empty: the record's value has no bytes";
    }
    if (record.length > maxBytes) {
      return "too large: the record has "
          + record.length
          + " bytes, max-record-bytes is "
          + maxBytes;
    }
    return syntax.beforeDecoding(record);
  }

  @Nullable
  String afterDecoding(byte[] record, long rows) {
    if (rows == 0) {
      return "no row: the record was decoded to nothing";
    }
    if (rows > 1 && oneRow) {
      return "several rows: the record was decoded to " + rows + " rows, but must hold one";
    }
    return syntax.afterDecoding(record);
  }
}
