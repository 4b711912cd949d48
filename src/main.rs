//! x
use kube::CustomResourceExt;
fn main() {
    println!("{}", serde_saphyr::to_string(&tidetable::api::ScalePolicy::crd()).unwrap());
}
