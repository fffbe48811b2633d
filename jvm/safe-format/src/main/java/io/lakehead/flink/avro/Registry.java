package io.lakehead.flink.avro;

import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.ParsedSchema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.avro.AvroSchema;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.avro.AvroSchemaProvider;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;

/**
 * The schema that a record was written with, by its id.
 *
 * <p>An id that the registry does not know is asked for again with the next record that carries it:
 * ids are given out in order, so that it may be the next one to exist.
 */
final class Registry {

  /**
   * What the Confluent interface answers, beside 404, when it knows the question but not the id.
   */
  private static final int SCHEMA_NOT_FOUND = 40403;

  private static final int CAPACITY = 1_000;
  private static final String TIMEOUT_MS = "10000";

  private final String url;
  private final CachedSchemaRegistryClient client;

  Registry(String url, Map<String, String> properties) {
    Map<String, String> all = new HashMap<>();
    all.put("http.connect.timeout.ms", TIMEOUT_MS);
    all.put("http.read.timeout.ms", TIMEOUT_MS);
    all.putAll(properties);
    this.url = url;
    client =
        new CachedSchemaRegistryClient(
            List.of(url), CAPACITY, List.of(new AvroSchemaProvider()), all);
  }

  /**
   * Throws a {@link RegistryUnavailableException} unless the registry says that there is no such
   * schema, or that it is not Avro's.
   */
  Schema schema(int id) throws IOException {
    ParsedSchema parsed;
    try {
      parsed = client.getSchemaById(id);
    } catch (RestClientException e) {
      if (e.getErrorCode() == SCHEMA_NOT_FOUND) {
        throw new IOException("the schema registry knows no schema with the id " + id);
      }
      throw unavailable(id, e);
    } catch (IOException | RuntimeException e) {
      throw unavailable(id, e);
    }
    if (parsed instanceof AvroSchema avro) {
      return avro.rawSchema();
    }
    throw new IOException("the schema with the id " + id + " is not an Avro schema");
  }

  private RegistryUnavailableException unavailable(int id, Exception e) {
    String reason = e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
    return new RegistryUnavailableException(
        String.format("The schema registry at %s gives no schema %d: %s", url, id, reason), e);
  }
}
