package io.lakehead.flink.safe;

import java.util.Iterator;
import java.util.Map;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeSet;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.factories.DeserializationFormatFactory;
import org.apache.flink.table.factories.Factory;
import org.apache.flink.table.factories.FactoryUtil;

/** Which formats can be wrapped. */
final class InnerFormats {

  private static final String JSON_PARSER = "decode.json-parser.enabled";
  private static final Set<String> HARMLESS = Set.of("csv", "raw", "protobuf", "strict-avro");

  private InnerFormats() {}

  static DeserializationFormatFactory discover(ClassLoader classLoader, String identifier) {
    if (identifier.equals(SafeFormatFactory.IDENTIFIER)) {
      throw new ValidationException(
          "Format 'safe' cannot wrap itself. Set its option 'format' to the format of the records,"
              + " for example 'json'.");
    }
    return FactoryUtil.discoverFactory(classLoader, DeserializationFormatFactory.class, identifier);
  }

  /**
   * Whether records are JSON texts: the format itself and the change logs that are written in it.
   */
  static boolean isJson(String identifier) {
    return identifier.equals("json") || identifier.endsWith("-json");
  }

  /**
   * Whether records are bare Avro data, with or without the id of a registered schema before them.
   */
  static boolean isAvro(String identifier) {
    return identifier.equals("avro") || identifier.equals("avro-confluent");
  }

  /**
   * Options for which the inner format's own default is unsafe.
   *
   * <p>Flink's default JSON decoder takes an object that stands where a boolean belongs for a part
   * of the row around it, loses columns when a key is repeated, and says which field is wrong but
   * not why. The other one does none of this, at about 85 % of the speed.
   */
  static Map<String, String> defaults(Factory factory) {
    boolean known =
        factory.optionalOptions().stream().anyMatch(option -> option.key().equals(JSON_PARSER));
    return factory.factoryIdentifier().equals("json") && known
        ? Map.of(JSON_PARSER, "false")
        : Map.of();
  }

  /**
   * Whether a decoder that failed may spoil the next record. Avro's does: it keeps the bytes that
   * it had read ahead. A format that is not known to be harmless is taken for harmful.
   */
  static boolean isSpoiledByFailure(String identifier) {
    return !isJson(identifier) && !HARMLESS.contains(identifier);
  }

  static Set<String> identifiers() {
    Set<String> identifiers = new TreeSet<>();
    Iterator<Factory> factories =
        ServiceLoader.load(Factory.class, Thread.currentThread().getContextClassLoader())
            .iterator();
    while (true) {
      // A factory whose own dependencies are missing must not make the others unusable.
      try {
        if (!factories.hasNext()) {
          break;
        }
        Factory factory = factories.next();
        if (factory instanceof DeserializationFormatFactory) {
          identifiers.add(factory.factoryIdentifier());
        }
      } catch (ServiceConfigurationError | NoClassDefFoundError unusable) {
        continue;
      }
    }
    identifiers.remove(SafeFormatFactory.IDENTIFIER);
    return identifiers;
  }
}
