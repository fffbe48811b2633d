package io.lakehead.flink.safe;

import io.lakehead.flink.json.StrictJsonFormatFactory;
import java.io.Serializable;
import java.util.Map;
import javax.annotation.Nullable;

/** Checks on the bytes of a record that the inner format itself does not make. */
interface RecordSyntax extends Serializable {

  /** Returns why the record need not be decoded at all, or null. */
  @Nullable
  String beforeDecoding(byte[] record);

  /** Returns why the record, which was decoded, is not good all the same, or null. */
  @Nullable
  String afterDecoding(byte[] record);

  static RecordSyntax of(String identifier, Map<String, String> options) {
    if (identifier.equals(StrictJsonFormatFactory.IDENTIFIER)) {
      return new Unchecked();
    }
    if (InnerFormats.isJson(identifier)) {
      return new JsonText();
    }
    return identifier.equals("csv") ? CsvText.of(options) : new Unchecked();
  }

  /** Leaves everything to the inner format. */
  final class Unchecked implements RecordSyntax {
    private static final long serialVersionUID = 1L;

    @Override
    public String beforeDecoding(byte[] record) {
      return null;
    }

    @Override
    public String afterDecoding(byte[] record) {
      return null;
    }
  }
}
